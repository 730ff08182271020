# The network of an environment, whose address range others read.

terraform {
  backend "local" {}
}

variable "environment" {
  type = string
}

locals {
  range = "10.0.0.0/16"
}

resource "terraform_data" "network" {
  input = { name = "shop-${var.environment}", range = local.range }
}

output "range" {
  value = terraform_data.network.output.range
}
