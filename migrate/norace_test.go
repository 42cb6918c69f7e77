//go:build !race

package migrate

const fewer = 1
