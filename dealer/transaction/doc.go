// Package transaction coordinates transactions: calls of several procedures
// whose effects all stay, or are all undone.
//
// What a transaction is follows from its entries in a log, and what is to be
// done next follows from what it is: [state] knows the rules and does nothing
// else. A [Coordinator] is a session in each realm that stores the entries and
// makes the calls. README.md says what is promised.
package transaction
