/*
 * load_options.c: see load_options.h.
 */
#include "tests/bench/load_options.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/load_link.h"

#define SIZE_MAX_CONTENT 100000000ul

static const char usage[] =
    "usage: load --port PORT [option]...\n"
    "  --tls 1.2|1.3       STARTTLS with that version; without it everything is in cleartext\n"
    "  --resume            all sessions but the first resume the first\n"
    "  --messages N        in a session (0)\n"
    "  --size BYTES        of a message (10240)\n"
    "  --bdat              BDAT instead of DATA\n"
    "  --operations N      sessions in all (1000)\n"
    "  --concurrency N     at once (8)\n"
    "  --sources N         client addresses, from 127.0.0.2 on (16)\n"
    "  --hold              sessions stay open and idle until the end of standard input\n"
    "  --forever           new sessions until the end of standard input\n"
    "  --pause MS          in each handshake, before the client's last flight\n"
    "  --timeout SECONDS   for all (120)\n";

static const struct option long_options[] = {
    {"port", required_argument, NULL, 'p'},
    {"tls", required_argument, NULL, 't'},
    {"resume", no_argument, NULL, 'r'},
    {"messages", required_argument, NULL, 'm'},
    {"size", required_argument, NULL, 's'},
    {"bdat", no_argument, NULL, 'b'},
    {"operations", required_argument, NULL, 'n'},
    {"hold", no_argument, NULL, 'h'},
    {"concurrency", required_argument, NULL, 'c'},
    {"sources", required_argument, NULL, 'a'},
    {"forever", no_argument, NULL, 'f'},
    {"pause", required_argument, NULL, 'w'},
    {"timeout", required_argument, NULL, 'o'},
    {NULL, 0, NULL, 0},
};

/* A header section such as mail has. */
static const char header[] =
    "Received: from relay.example.net (relay.example.net [192.0.2.25])\r\n"
    "\tby mail.example.net (Postfix) with ESMTPS id 4Xw7Qk2b8Kz3Tx\r\n"
    "\tfor <inbox@gatepost.test>; Sun, 22 Nov 2026 01:30:54 +0000 (UTC)\r\n"
    "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/simple; d=example.net; s=mail;\r\n"
    "\tt=1795311054; bh=frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=;\r\n"
    "\th=From:To:Subject:Date:Message-ID;\r\n"
    "\tb=rVYvVtMcJkDZ7fSPSMSeEAAQCYXhqlTbrAVGbJ8zoQDQGIOvgpLdkWTV8tpTn0GhZ\r\n"
    "\t Hq5pZk2k7TqVhCkUQ2Vd4T7nT6Vj2eR4s7bYkq1dH1g3lPp0o4wQFZ9JtJH8T9o4Wm\r\n"
    "From: Sender <sender@gatepost.test>\r\n"
    "To: Inbox <inbox@gatepost.test>\r\n"
    "Subject: a message of the benchmark\r\n"
    "Date: Sun, 22 Nov 2026 01:30:54 +0000\r\n"
    "Message-ID: <20261122013054.bench@example.net>\r\n"
    "MIME-Version: 1.0\r\n"
    "Content-Type: text/plain; charset=us-ascii\r\n"
    "\r\n";
static const char body_line[] =
    "The quick brown fox jumps over the lazy dog, and after that over the fence.\r\n";

/* Ends the program. */
static _Noreturn void refuse(const char *what)
{
    fprintf(stderr, "load: %s\n%s", what, usage);
    exit(64);
}

/* A number of an option. */
static uint32_t number(const char *text, unsigned long least, unsigned long most)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    if (*text < '0' || *text > '9' || *end != '\0' || value < least || value > most)
        refuse("a number is out of range");
    return (uint32_t)value;
}

/* A message of about SIZE bytes, which ends with a complete line. */
static void make_content(struct load_plan *plan, size_t size)
{
    char *content = malloc(size + sizeof header + sizeof body_line + sizeof ".\r\n");
    size_t length = sizeof header - 1;

    if (content == NULL)
        refuse("out of memory");
    memcpy(content, header, length);
    while (length < size) {
        memcpy(content + length, body_line, sizeof body_line - 1);
        length += sizeof body_line - 1;
    }
    if (!plan->bdat) {
        memcpy(content + length, ".\r\n", 3);
        length += 3;
    }
    plan->content = content;
    plan->content_length = length;
}

/* The commands of a message. */
static void make_commands(struct load_plan *plan)
{
    static char commands[256];
    int length = snprintf(commands, sizeof commands,
                          "MAIL FROM:<sender@gatepost.test>\r\nRCPT TO:<inbox@gatepost.test>\r\n");

    if (plan->bdat)
        length += snprintf(commands + length, sizeof commands - (size_t)length, "BDAT %zu LAST\r\n",
                           plan->content_length);
    else
        length += snprintf(commands + length, sizeof commands - (size_t)length, "DATA\r\n");
    plan->commands = commands;
    plan->commands_length = (size_t)length;
}

/* One option; *SIZE is that of messages, *VERSION that of TLS. */
static void take(int option, struct load_options *options, uint32_t *size, const char **version)
{
    struct load_plan *plan = &options->plan;

    switch (option) {
    case 'p':
        plan->server.sin_port = htons((uint16_t)number(optarg, 1, 65535));
        break;
    case 't':
        *version = optarg;
        break;
    case 'r':
        plan->resume = true;
        break;
    case 'm':
        plan->messages = number(optarg, 0, 1000000);
        break;
    case 's':
        *size = number(optarg, 1, SIZE_MAX_CONTENT);
        break;
    case 'b':
        plan->bdat = true;
        break;
    case 'n':
        options->operations = number(optarg, 1, 10000000);
        break;
    case 'c':
        options->concurrency = number(optarg, 1, 100000);
        break;
    case 'a':
        plan->sources = number(optarg, 1, 65536);
        break;
    case 'h':
        plan->hold = true;
        break;
    case 'f':
        options->forever = true;
        break;
    case 'w':
        plan->pause_ms = number(optarg, 0, 60000);
        break;
    case 'o':
        options->timeout = number(optarg, 1, 3600);
        break;
    default:
        refuse("wrong option");
    }
}

void load_options_read(int argc, char **argv, struct load_options *options)
{
    const char *version = NULL;
    uint32_t size = 10240;
    int option;

    *options = (struct load_options){
        .operations = 1000,
        .concurrency = 8,
        .timeout = 120,
        .plan = {.sources = 16,
                 .server = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}}};
    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
        take(option, options, &size, &version);
    if (optind != argc || options->plan.server.sin_port == 0)
        refuse("--port is needed, and nothing but options");
    if ((options->plan.resume && version == NULL) || (options->plan.hold && options->forever))
        refuse("options that contradict each other");
    if (version != NULL) {
        options->plan.starttls = true;
        options->plan.tls = link_context(version);
        if (options->plan.tls == NULL)
            refuse("no such version of TLS");
    }
    make_content(&options->plan, size);
    make_commands(&options->plan);
}
