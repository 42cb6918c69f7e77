// Stands in for a part of Vault that is left out: see the README of test/vault.
module google.golang.org/api

go 1.24
