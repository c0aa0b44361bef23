// Package rivals serves what people put in front of remote procedures today,
// each as its manual shows it, around an echo: NATS request/reply behind
// net/http, and grpc-gateway before grpc-go. A bare net/http echo, with no
// procedure behind it, says what there is to win.
package rivals
