/*
 * address_list.h: lists of addresses as main.cf has them (postconf(5), mynetworks): which clients a
 * parameter is about.
 *
 *   192.0.2.1  198.51.100.0/24  [2001:db8::]/32   addresses and networks, also without brackets
 *   !192.0.2.7                                    not this one
 *   /file/name                                    more elements, in the lines of a file
 *   cidr:/file/name                               cidr_table(5): the patterns count, not the
 * results static:all                                    all addresses
 *
 * The first element that matches decides, what none matches is not in the list. IPv4-mapped
 * addresses are IPv4. Names of hosts cannot be matched: gatepost looks no names up.
 */
#ifndef GATEPOST_POLICY_ADDRESS_LIST_H
#define GATEPOST_POLICY_ADDRESS_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/diag.h"

/* What to do with a host name. One behind a '!' is always an error: the list would say more than
 * what was written. */
enum address_list_names {
    ADDRESS_LIST_NAMES_WARN, /* never matches: a warning */
    ADDRESS_LIST_NAMES_REFUSE
};

struct address_list;

/*
 * Read VALUE of the parameter NAME; ORIGIN says where it comes from ("FILE, line N"). Files are
 * read now. Every mistake is reported, and any mistake makes the result NULL. An empty list matches
 * nothing. Free with address_list_free.
 */
struct address_list *address_list_load(const char *name, const char *value, const char *origin,
                                       enum address_list_names names, struct diag *diag);
void address_list_free(struct address_list *list);

/* Whether ADDRESS (4 bytes for AF_INET, 16 for AF_INET6, in network order) is in LIST. No other
 * family is, not even in static:all. Does not allocate, and takes no longer for long lists. */
bool address_list_match(const struct address_list *list, int family, const uint8_t *address);

/* Number of different networks. */
size_t address_list_size(const struct address_list *list);

#endif
