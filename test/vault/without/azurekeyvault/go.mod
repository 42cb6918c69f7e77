// Stands in for a part of Vault that is left out: see the README of test/vault.
module github.com/hashicorp/go-kms-wrapping/wrappers/azurekeyvault/v2

go 1.24
