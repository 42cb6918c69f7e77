// Package kit is what drivers share beside the contract: the way to a product
// over HTTPS, one writer at a time for each name, and the listings of products
// whose order is not the model's.
package kit
