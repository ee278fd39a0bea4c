// smtp_send CERTIFICATE LIST: delivers the messages of the list with net/smtp.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/smtp"
	"os"
	"strings"
)

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func deliver(config *tls.Config, job []string) {
	var dialer net.Dialer
	if job[2] != "-" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(job[2])}
	}
	connection, err := dialer.Dial("tcp", net.JoinHostPort(job[0], job[1]))
	check(err)
	client, err := smtp.NewClient(connection, job[0])
	check(err)
	check(client.Hello("go.client.example"))
	check(client.StartTLS(config))
	check(client.Mail(job[3]))
	check(client.Rcpt(job[4]))
	content, err := os.ReadFile(job[5])
	check(err)
	writer, err := client.Data()
	check(err)
	_, err = writer.Write(content)
	check(err)
	check(writer.Close())
	check(client.Quit())
}

func main() {
	pem, err := os.ReadFile(os.Args[1])
	check(err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	config := &tls.Config{RootCAs: roots, ServerName: "localhost",
		ClientSessionCache: tls.NewLRUClientSessionCache(10)}
	list, err := os.ReadFile(os.Args[2])
	check(err)
	for _, line := range strings.Split(strings.TrimSpace(string(list)), "\n") {
		deliver(config, strings.Split(line, "\t"))
	}
}
