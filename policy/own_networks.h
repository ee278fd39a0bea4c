/*
 * own_networks.h: the networks of this host, which are what mynetworks is if nobody says otherwise
 * (postconf(5), mynetworks_style).
 */
#ifndef GATEPOST_POLICY_OWN_NETWORKS_H
#define GATEPOST_POLICY_OWN_NETWORKS_H

#include <ifaddrs.h>

#include "policy/diag.h"

enum own_networks_style {
    OWN_NETWORKS_HOST,   /* this host's addresses */
    OWN_NETWORKS_SUBNET, /* the networks of its interfaces */
    OWN_NETWORKS_CLASS   /* the class A, B or C networks of its addresses; IPv6: as SUBNET */
};

/* Used where the kernel does not say what addresses there are. */
#define OWN_NETWORKS_LOOPBACK "127.0.0.0/8 [::1]/128"

/* A list for address_list.h, "127.0.0.1/32 192.0.2.1/32 [::1]/128", without repetitions, in the
 * order of the interfaces. The caller frees. Never NULL; if the interfaces cannot be read (which
 * takes a netlink socket) that is reported to DIAG as a warning. */
char *own_networks(enum own_networks_style style, struct diag *diag);

/* The same for given interfaces. */
char *own_networks_of(const struct ifaddrs *interfaces, enum own_networks_style style);

#endif
