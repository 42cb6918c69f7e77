// Stands in for a part of Vault that is left out: see the README of test/vault.
module github.com/google/go-metrics-stackdriver

go 1.24
