package gateway

// What tests of package gateway_test need from inside.
var ErrShutdown = errShutdown
