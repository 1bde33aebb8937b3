//go:build tools

// Package tools pins the Node language host: only SDK modules up to v3.60 carry it, so it has a go.mod of its own.
package tools

import _ "github.com/pulumi/pulumi/sdk/v3/nodejs/cmd/pulumi-language-nodejs"
