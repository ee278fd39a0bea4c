/*
 * address_list_fuzz.c: any bytes as a list of addresses, as the lines of a file of such, and as a
 * cidr: table. What is accepted and made of plain addresses only must decide as a search from the
 * front does.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "policy/address_list.h"

static void check(bool truth, const char *what)
{
    if (!truth) {
        fprintf(stderr, "address_list: %s\n", what);
        abort();
    }
}

/* Where ADDRESS begins is the network BYTES/BITS. */
static bool covers(const uint8_t *bytes, unsigned bits, const uint8_t *address)
{
    for (unsigned i = 0; i < bits; i++) {
        if (((bytes[i / 8] ^ address[i / 8]) >> (7 - i % 8) & 1) != 0) {
            return false;
        }
    }
    return true;
}

/* One plain element against ADDRESS: 1 it matches, 0 not, -1 it is something else. */
static int element_matches(const char *element, int family, const uint8_t *address)
{
    char host[80];
    uint8_t bytes[16];
    unsigned bits;
    const char *slash = strchr(element, '/');
    size_t length = slash != NULL ? (size_t)(slash - element) : strlen(element);
    if (length >= sizeof host || length == 0) {
        return -1;
    }
    snprintf(host, sizeof host, "%.*s", (int)length, element);
    if (host[0] == '[') {
        return -1; /* what stands within and behind brackets is the unit tests' business */
    }
    bool ipv6 = strchr(host, ':') != NULL;
    if (inet_pton(ipv6 ? AF_INET6 : AF_INET, host, bytes) != 1 || (ipv6 && strchr(host, '.'))) {
        return -1;
    }
    bits = ipv6 ? 128 : 32;
    if (slash != NULL) {
        if (!isdigit((unsigned char)slash[1]) || strlen(slash) > 4) {
            return -1;
        }
        bits = (unsigned)atoi(slash + 1);
    }
    if (ipv6 && memcmp(bytes, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12) == 0) {
        return -1;
    }
    return (family == (ipv6 ? AF_INET6 : AF_INET)) && covers(bytes, bits, address);
}

/* The whole list, from the front; -1: something in it is not plain. */
static int reference(const char *value, int family, const uint8_t *address)
{
    char *copy = strdup(value), *rest = NULL;
    int verdict = 0;
    bool decided = false;
    check(copy != NULL, "out of memory");
    for (char *element = strtok_r(copy, ", \t\r\n", &rest); element != NULL;
         element = strtok_r(NULL, ", \t\r\n", &rest)) {
        bool negated = false;
        while (*element == '!') {
            negated = !negated;
            element++;
        }
        int matches = element_matches(element, family, address);
        if (matches < 0) {
            verdict = -1;
            break;
        }
        if (matches == 1 && !decided) {
            verdict = !negated;
            decided = true;
        }
    }
    free(copy);
    return verdict;
}

static struct address_list *load(const char *value)
{
    struct diag diag = {0};
    struct address_list *list =
        address_list_load("list", value, "F, line 1", ADDRESS_LIST_NAMES_REFUSE, &diag);
    check((list == NULL) == (diag.errors > 0), "an error without a message, or the reverse");
    return list;
}

/* The bytes as a value; PROBES: addresses to ask for. */
static void try_value(const char *value, const uint8_t probes[32])
{
    if (value[0] == '/' || strpbrk(value, "$") != NULL || strstr(value, ":/") != NULL ||
        strstr(value, " /") != NULL || strpbrk(value, "/") != strstr(value, "/")) {
        return;
    }
    for (const char *slash = strchr(value, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        if (!isalnum((unsigned char)slash[-1]) && slash[-1] != ':' && slash[-1] != ']') {
            return; /* a file's name: none of ours */
        }
    }
    struct address_list *list = load(value);
    if (list == NULL) {
        return;
    }
    for (size_t i = 0; i < 32; i += 16) {
        int four = reference(value, AF_INET, probes + i);
        int six = reference(value, AF_INET6, probes + i);
        bool mapped = memcmp(probes + i, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12) == 0;
        check(four < 0 || address_list_match(list, AF_INET, probes + i) == (four == 1), "IPv4");
        check(six < 0 || mapped || address_list_match(list, AF_INET6, probes + i) == (six == 1),
              "IPv6");
    }
    check(!address_list_match(list, AF_UNIX, probes), "a family that is none");
    address_list_free(list);
}

/* The bytes as a file, behind PREFIX; what they name is none of this process's files. */
static void try_file(const char *prefix, const char *text, size_t size)
{
    char path[64];
    if (memchr(text, '/', size) != NULL && memmem(text, size, "/proc", 5) == NULL) {
        for (size_t i = 0; i < size; i++) {
            if (text[i] == '/' && (i == 0 || !isalnum((unsigned char)text[i - 1]))) {
                return;
            }
        }
    }
    int fd = memfd_create("list", MFD_CLOEXEC);
    check(fd >= 0 && write(fd, text, size) == (ssize_t)size, "memfd");
    snprintf(path, sizeof path, "%s/proc/self/fd/%d", prefix, fd);
    address_list_free(load(path));
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 32 || size > 4096) {
        return 0;
    }
    char *text = malloc(size - 31);
    check(text != NULL, "out of memory");
    memcpy(text, data + 32, size - 32);
    text[size - 32] = '\0';
    try_value(text, data);
    try_file("", text, size - 32);
    try_file("cidr:", text, size - 32);
    free(text);
    return 0;
}
