// Package sip is the SIP face of the server: a method table that takes each
// request to the shard of the resource it is about, makes sure there who sent
// it, and hands it to the registrar, the presence service, the notifier, the
// message relay or, for other domains, the proxy. All it remembers itself is
// which requests came lately, to know one that comes twice.
package sip
