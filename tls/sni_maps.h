/*
 * sni_maps.h: the text of tls_server_sni_maps (postconf(5)): which chain files belong to which
 * server name.
 *
 *   inline:{ { name = file, file }, name=file }
 *   texthash:/path     lines "name file, file", with comments and continuation as in main.cf
 */
#ifndef GATEPOST_TLS_SNI_MAPS_H
#define GATEPOST_TLS_SNI_MAPS_H

#include <stdbool.h>
#include <stddef.h>

#include "policy/diag.h"

/* One entry of map number MAP, from 0. NAME is in lower case, FILES a list of chain files; PLACE
 * says where it stands. Strings live until the function returns. */
struct tls_sni_entry {
    size_t map;
    const char *name;
    const char *files;
    const char *place;
};

/*
 * Call EACH for every entry of the maps of VALUE, which is from ORIGIN ("FILE, line N"; NULL: not
 * told). Reports maps of other types, files that cannot be read and entries that cannot be
 * understood, and goes on. Returns 0, or -1 if anything was reported.
 */
int tls_sni_maps_read(const char *value, const char *origin,
                      void (*each)(void *ctx, const struct tls_sni_entry *entry), void *ctx,
                      struct diag *diag);

/* All entries of some maps, as they were when they were read: files that are changed later change
 * nothing here. */
struct tls_sni_list {
    struct tls_sni_entry *entries; /* owned, with their strings */
    size_t count;
};

/* tls_sni_maps_read into a list. NULL after reporting; free with tls_sni_list_free. */
struct tls_sni_list *tls_sni_list_read(const char *value, const char *origin, struct diag *diag);
void tls_sni_list_free(struct tls_sni_list *list);

/* Is NAME a host name as Postfix wants to see it in SNI: labels of letters, digits, '-' and '_',
 * not only digits, at most 255 bytes? */
bool tls_sni_is_host_name(const char *name);

#endif
