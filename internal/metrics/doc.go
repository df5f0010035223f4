// Package metrics holds every figure the server reports, as Prometheus
// collectors on a registry of its own. Label sets are fixed and small: nothing
// here is labelled with users, addresses or anything else a peer can invent.
package metrics
