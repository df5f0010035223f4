package usage

const (
	nsOpenXCAPDialogRules = "http://openxcap.org/ns/dialog-rules"
	nsBlinkDialogRules    = "urn:ag-projects:xml:ns:dialog-rules"
)

// DialogRules is the usage org.openxcap.dialog-rules: common policy rules about
// who may subscribe to dialog state. Its own permissions have no published
// schema, so they pass as content of an unknown namespace.
func DialogRules() *Usage {
	u := rulesUsage("org.openxcap.dialog-rules")
	u.DefaultNS = nsOpenXCAPDialogRules
	u.AltNS = []string{nsCommonPolicy, nsBlinkDialogRules}
	return u
}
