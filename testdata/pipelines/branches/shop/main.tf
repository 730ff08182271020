# The shop, in a part of the network.

terraform {
  backend "local" {}
}

variable "states" {
  type        = string
  description = "The folder of the environment's states."
}

data "terraform_remote_state" "network" {
  backend = "local"
  config  = { path = "${var.states}/network.tfstate" }
}

resource "terraform_data" "shop" {
  input = {
    subnet   = cidrsubnet(data.terraform_remote_state.network.outputs.range, 8, 1)
    replicas = 2
  }
}
