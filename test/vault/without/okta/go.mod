// Stands in for a part of Vault that is left out: see the README of test/vault.
module github.com/okta/okta-sdk-golang/v5

go 1.24
