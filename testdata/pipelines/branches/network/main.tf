# The network, whose address range others read.

terraform {
  backend "local" {}
}

resource "terraform_data" "network" {
  input = "10.0.0.0/16"
}

output "range" {
  value = terraform_data.network.output
}
