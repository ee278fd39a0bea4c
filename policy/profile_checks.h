/*
 * profile_checks.h: the checks that rules of profile.def are made of.
 */
#ifndef GATEPOST_POLICY_PROFILE_CHECKS_H
#define GATEPOST_POLICY_PROFILE_CHECKS_H

#include <stdbool.h>

#include "policy/profile.h"
#include "policy/text.h"

/* Whether SUBJECT violates a rule with this number and list; what is so is appended to FOUND, for
 * people. Nothing is appended if it does not. */
typedef bool profile_check_fn(const struct profile_subject *subject, long number, const char *list,
                              struct text *found);

/* Whether NAME is one of LIST's words; case does not matter. */
bool profile_list_has(const char *list, const char *name);

profile_check_fn profile_oldest_version;             /* no version before number */
profile_check_fn profile_needs_version;              /* version number is among those offered */
profile_check_fn profile_suites_only;                /* no suite but those of the list */
profile_check_fn profile_suites_not;                 /* no suite of the list */
profile_check_fn profile_suite_min_bits;             /* no suite with fewer bits than number */
profile_check_fn profile_cbc_needs_encrypt_then_mac; /* suites without AEAD only with RFC 7366 */
profile_check_fn profile_groups_only;                /* no group but those of the list */
profile_check_fn profile_client_order;               /* the server's order does not decide */

/* The list has levels separated by "|", the best one first; what is in none is below all. If a
 * suite older than TLS 1.3 is not of the first level, the server's order decides, and no suite
 * comes before, or on a par with, one of a better level. */
profile_check_fn profile_ordered_levels;

profile_check_fn profile_no_compression;
profile_check_fn profile_no_insecure_renegotiation;
profile_check_fn profile_no_early_data;

profile_check_fn profile_key_types;        /* keys of the types in the list */
profile_check_fn profile_key_curves;       /* ECDSA keys on the curves in the list */
profile_check_fn profile_rsa_min_bits;     /* RSA keys of number bits */
profile_check_fn profile_signatures_only;  /* certificates signed as in the list */
profile_check_fn profile_signatures_not;   /* certificates not signed as in the list */
profile_check_fn profile_longest_validity; /* certificates valid for number days at most */
profile_check_fn profile_valid_now;        /* certificates neither expired nor of the future */
profile_check_fn profile_not_self_signed;

#endif
