# A database that nobody else reads, with a password that no plan may show.

terraform {
  backend "local" {}
}

variable "environment" {
  type = string
}

variable "password" {
  type      = string
  default   = "correct horse battery staple"
  sensitive = true
}

locals {
  size = 10
}

# What is in it would be lost with it.
resource "terraform_data" "engine" {
  input = { name = "shop-${var.environment}", version = 17 }
}

resource "terraform_data" "disk" {
  input            = local.size
  triggers_replace = [local.size]
}

resource "terraform_data" "login" {
  input = var.password
}
