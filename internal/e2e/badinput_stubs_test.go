package e2e

var badProducts, badDisks []badRow
