# A service inside the network: its plan is made from the network's output, as the network's state has it at that time.

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

locals {
  replicas = 2
}

resource "terraform_data" "subnet" {
  input = cidrsubnet(data.terraform_remote_state.network.outputs.range, 8, 1)
}

resource "terraform_data" "service" {
  input = { replicas = local.replicas, subnet = terraform_data.subnet.output }

  lifecycle {
    # Known only once it is applied: more than that fails half-way, with the state changed.
    postcondition {
      condition     = self.output.replicas <= 8
      error_message = "There is no room for so many."
    }
  }
}

output "subnet" {
  value = terraform_data.subnet.output
}
