// Package bus is the contract of package wire over nats.go: connecting for good, sending a signal and learning its
// outcome, announcing and following presence.
package bus
