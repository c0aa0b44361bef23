package authn

// What tests of package authn_test need from inside.
var (
	ParseKeySet        = parseKeySet
	ParseForwardedCert = func(value string) ([]string, error) {
		s, err := parseForwardedCert(value)
		return s.names, err
	}
)

const MaxVerdicts = maxVerdicts

// Verdicts returns how many verdicts on tokens are remembered.
func (t *Tokens) Verdicts() int { return len(t.verdicts.young) + len(t.verdicts.old) }
