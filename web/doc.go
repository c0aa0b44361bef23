// Package web will hold the console and the API documentation as embedded
// files: plain ES modules, without a build step. Nothing of it is built yet.
package web
