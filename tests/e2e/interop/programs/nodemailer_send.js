// nodemailer_send.js CERTIFICATE LIST: delivers the messages of the list with nodemailer.
'use strict'

const fs = require('node:fs')
const nodemailer = require('nodemailer')

const [certificate, list] = process.argv.slice(2)
const ca = fs.readFileSync(certificate)

async function main() {
    for (const line of fs.readFileSync(list, 'utf8').trimEnd().split('\n')) {
        const [host, port, source, from, to, path, flags] = line.split('\t')
        const transport = nodemailer.createTransport({
            host, port: Number(port), secure: false, requireTLS: true, tls: { ca },
            name: 'nodemailer.client.example', ...(source === '-' ? {} : { localAddress: source }),
        })
        const use8BitMime = flags.includes('8bit')
        await transport.sendMail({ envelope: { from, to, use8BitMime }, raw: fs.readFileSync(path) })
        transport.close()
    }
}

main().catch((error) => {
    console.error(error)
    process.exit(1)
})
