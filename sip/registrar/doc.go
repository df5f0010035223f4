// Package registrar keeps the bindings of addresses-of-record to contacts
// (RFC 3261 §10, with the binding key and the flows of RFC 5626). A REGISTER is
// worked out as a plan on a copy of the address's bindings, committed as a
// whole, and only then becomes what others see: an immutable list per address.
// Bindings end with their lifetime, or some time after the connection they came
// over. Instances get GRUUs (RFC 5627), of which nothing is stored.
package registrar
