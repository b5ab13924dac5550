// usage: go run printed.go PORT: sends one message with net/smtp; its lines are those that sinkctl cert prints.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/smtp"
	"os"
)

func main() {
	if err := send("localhost", os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func send(host, port string) error {
	client, err := smtp.Dial(net.JoinHostPort(host, port))
	if err != nil {
		return err
	}
	LINES
	if err := client.Mail("go@example.org"); err != nil {
		return err
	}
	if err := client.Rcpt("two@example.com"); err != nil {
		return err
	}
	content, err := client.Data()
	if err != nil {
		return err
	}
	if _, err := content.Write([]byte("Subject: x\r\n\r\nx\r\n")); err != nil {
		return err
	}
	if err := content.Close(); err != nil {
		return err
	}
	return client.Quit()
}
