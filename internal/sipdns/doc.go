// Package sipdns finds the servers that a SIP URI means, RFC 3263: which
// transports, addresses and ports, in which order. Answers of the DNS are cached
// within bounds, those that say no too. Servers that failed are remembered for a
// while and tried last.
package sipdns
