/* sni.c: see sni.h. */
#include "tls/sni.h"

#include <stdlib.h>
#include <string.h>

#include "policy/text.h"
#include "tls/sni_maps.h"

/* Where a name was found while maps are read. */
struct found_name {
    struct tls_sni_name entry;
    size_t map;
};

struct loader {
    struct tls_sni_table *sni;
    struct found_name *found;
    size_t count;
    const char *ocsp_suffix;
    struct diag *diag;
    bool good;
};

/* The set that the list FILES names; loads it if it is new. SIZE_MAX after an error. */
static size_t find_set(struct loader *loader, const char *files)
{
    struct tls_sni_table *sni = loader->sni;
    for (size_t i = 0; i < sni->set_count; i++) {
        if (strcmp(sni->sets[i].files, files) == 0) {
            return i;
        }
    }
    const struct tls_credential_files named = {
        .chain_files = files,
        .cert_file = "",
        .key_file = "",
        .eccert_file = "",
        .eckey_file = "",
        .ocsp_suffix = loader->ocsp_suffix,
    };
    struct tls_credentials *credentials = tls_credentials_from_files(&named, loader->diag);
    if (credentials == NULL) {
        return SIZE_MAX;
    }
    sni->sets = text_resize(sni->sets, sni->set_count + 1, sizeof *sni->sets);
    sni->sets[sni->set_count] = (struct tls_sni_set){text_copy(files), credentials};
    return sni->set_count++;
}

/* An entry of a map. */
static void take(struct loader *loader, const struct tls_sni_entry *entry)
{
    unsigned errors = loader->diag->errors;
    size_t set = find_set(loader, entry->files);
    if (set == SIZE_MAX) {
        if (loader->diag->errors == errors) {
            diag_error(loader->diag, "%s: cannot load chains", entry->place);
        }
        diag_info(loader->diag, "%s: the above is about %s", entry->place, entry->name);
        loader->good = false;
        return;
    }
    loader->found = text_resize(loader->found, loader->count + 1, sizeof *loader->found);
    loader->found[loader->count++] = (struct found_name){{text_copy(entry->name), set}, entry->map};
}

/* By name, and among the same by map. */
static int compare_found(const void *a, const void *b)
{
    const struct found_name *left = a, *right = b;
    int order = strcmp(left->entry.name, right->entry.name);
    return order != 0 ? order : (left->map > right->map) - (left->map < right->map);
}

/* Move the names to where they are looked up: sorted, of each the first. */
static void settle(struct loader *loader)
{
    struct tls_sni_table *sni = loader->sni;
    if (loader->count > 0) {
        qsort(loader->found, loader->count, sizeof *loader->found, compare_found);
        sni->names = text_alloc(loader->count, sizeof *sni->names);
    }
    for (size_t i = 0; i < loader->count; i++) {
        struct found_name *this = &loader->found[i];
        bool repeated = sni->name_count > 0 &&
                        strcmp(sni->names[sni->name_count - 1].name, this->entry.name) == 0;
        if (!repeated) {
            sni->names[sni->name_count++] = this->entry;
            continue;
        }
        if (i > 0 && loader->found[i - 1].map == this->map) {
            diag_error(loader->diag, "tls_server_sni_maps: %s is there twice", this->entry.name);
            loader->good = false;
        }
        free(this->entry.name);
    }
    free(loader->found);
}

struct tls_sni_table *tls_sni_load(const struct tls_sni_list *list, const char *ocsp_suffix,
                                   struct diag *diag)
{
    struct loader loader = {.sni = text_alloc(1, sizeof *loader.sni),
                            .ocsp_suffix = ocsp_suffix,
                            .diag = diag,
                            .good = true};
    loader.sni->references = 1;
    for (size_t i = 0; i < list->count; i++) {
        take(&loader, &list->entries[i]);
    }
    settle(&loader);
    if (!loader.good) {
        tls_sni_unref(loader.sni);
        return NULL;
    }
    return loader.sni;
}

struct tls_sni_table *tls_sni_ref(struct tls_sni_table *sni)
{
    if (sni != NULL) {
        sni->references++;
    }
    return sni;
}

void tls_sni_unref(struct tls_sni_table *sni)
{
    if (sni == NULL || --sni->references > 0) {
        return;
    }
    for (size_t i = 0; i < sni->name_count; i++) {
        free(sni->names[i].name);
    }
    for (size_t i = 0; i < sni->set_count; i++) {
        free(sni->sets[i].files);
        tls_credentials_free(sni->sets[i].credentials);
    }
    free(sni->names);
    free(sni->sets);
    free(sni);
}

static int compare_name(const void *key, const void *item)
{
    return strcmp(key, ((const struct tls_sni_name *)item)->name);
}

struct tls_credentials *tls_sni_find(const struct tls_sni_table *sni, const char *name)
{
    char lower[256];
    size_t length = strlen(name);
    if (length >= sizeof lower || sni->name_count == 0) {
        return NULL;
    }
    for (size_t i = 0; i <= length; i++) {
        lower[i] = text_lower(name[i]);
    }
    const char *key = lower;
    do {
        const struct tls_sni_name *found =
            bsearch(key, sni->names, sni->name_count, sizeof *sni->names, compare_name);
        if (found != NULL) {
            return sni->sets[found->set].credentials;
        }
        key = *key != '\0' ? strchr(key + 1, '.') : NULL;
    } while (key != NULL);
    return NULL;
}

const char *tls_sni_asked(const SSL *ssl)
{
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    return name != NULL ? name : "";
}

const struct tls_credentials *tls_sni_choose(const struct tls_credentials *credentials,
                                             const SSL *ssl)
{
    if (credentials->sni == NULL) {
        return credentials;
    }
    const char *name = tls_sni_asked(ssl);
    const struct tls_credentials *found =
        tls_sni_is_host_name(name) ? tls_sni_find(credentials->sni, name) : NULL;
    return found != NULL ? found : credentials;
}

const struct tls_credential *tls_sni_presented(const struct tls_credentials *credentials,
                                               const SSL *ssl, CBS body)
{
    CBS context, entries, leaf;
    bool has_context = SSL_version(ssl) == TLS1_3_VERSION;
    if ((has_context && !CBS_get_u8_length_prefixed(&body, &context)) ||
        !CBS_get_u24_length_prefixed(&body, &entries) ||
        !CBS_get_u24_length_prefixed(&entries, &leaf)) {
        return NULL;
    }
    return tls_credentials_find_leaf(tls_sni_choose(credentials, ssl), CBS_data(&leaf),
                                     CBS_len(&leaf));
}
