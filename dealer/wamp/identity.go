package wamp

// An Identity is who a session is. It means the same whether the principal
// came over WebSocket or HTTP.
type Identity struct {
	Authid       string
	Authrole     string
	Authmethod   string
	Authprovider string
}
