//go:build tools

// Package tools pins the Pulumi CLI: `go install pkg@version` refuses it, because its go.mod has replace directives.
package tools

import _ "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
