// Package loss names what a product can fail to hold of a secret, and applies
// such losses to a secret of the model.
package loss
