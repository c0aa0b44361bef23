// Package openapi will hold our view of OpenAPI documents, and be the only
// place that knows how they are read: documents made from what callees
// register, routes made from documents, and the checks of requests and
// results against them. Nothing of it is built yet.
package openapi
