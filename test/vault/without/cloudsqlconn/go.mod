// Stands in for a part of Vault that is left out: see the README of test/vault.
module cloud.google.com/go/cloudsqlconn

go 1.24
