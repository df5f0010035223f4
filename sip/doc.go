// Package sip is the SIP face of the server: a method table that takes each
// request to the shard of the resource it is about, makes sure there who sent
// it, and hands it to the registrar, the presence service, the notifier or the
// message relay. It keeps no state of its own.
package sip
