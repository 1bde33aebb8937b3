//go:build tools

// Package tools pins actionlint: the newest that Debian 12's Go, which is 1.19, can build.
package tools

import _ "github.com/rhysd/actionlint/cmd/actionlint"
