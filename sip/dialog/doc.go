// Package dialog is the event package dialog (RFC 4235): who is on the phone. A
// PBX or the phones themselves tell by PUBLISH of the dialogs of a user; lamps on
// other phones subscribe. What several publishers say of one dialog is merged:
// its state only goes forward, and once somebody says that it is over, it is. Who
// may subscribe is said by the user's dialog rules; without any, those of the
// same domain may.
package dialog
