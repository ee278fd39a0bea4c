/* hello_view.c: see hello_view.h. */
#include "tls/hello_view.h"

#include "tls/library.h"

#define SSL3 0x0300
#define SESSION_ID_MAX 32
#define RANDOM_SIZE 32
#define EXTENSIONS_MAX 128 /* looked at for repetitions */

bool hello_is_grease(uint16_t number)
{
    return (number & 0x0f0f) == 0x0a0a && number >> 8 == (number & 0xff);
}

/* LIST becomes what is in DATA behind a length of 16 bits: numbers, at least one, nothing else. */
static bool number_list(CBS data, CBS *list)
{
    return CBS_get_u16_length_prefixed(&data, list) && CBS_len(&data) == 0 && CBS_len(list) > 0 &&
           CBS_len(list) % 2 == 0;
}

static bool version_list(CBS data, CBS *list)
{
    return CBS_get_u8_length_prefixed(&data, list) && CBS_len(&data) == 0 && CBS_len(list) > 0 &&
           CBS_len(list) % 2 == 0;
}

/* Names with a length byte before each, none of them empty. */
static bool protocol_list(CBS data, CBS *list)
{
    CBS rest, name;
    if (!CBS_get_u16_length_prefixed(&data, list) || CBS_len(&data) != 0 || CBS_len(list) == 0) {
        return false;
    }
    rest = *list;
    while (CBS_len(&rest) > 0) {
        if (!CBS_get_u8_length_prefixed(&rest, &name) || CBS_len(&name) == 0) {
            return false;
        }
    }
    return true;
}

/* RFC 6066 section 3, as far as there is a meaning in it: one host name. */
static bool name_list(CBS data, CBS *name)
{
    CBS list;
    uint8_t type;
    return CBS_get_u16_length_prefixed(&data, &list) && CBS_len(&data) == 0 &&
           CBS_get_u8(&list, &type) && type == TLSEXT_NAMETYPE_host_name &&
           CBS_get_u16_length_prefixed(&list, name) && CBS_len(&list) == 0 && CBS_len(name) > 0;
}

/* One extension. NULL, or what is malformed. */
static const char *read_extension(struct hello_view *view, uint16_t type, CBS data)
{
    switch (type) {
    case TLSEXT_TYPE_server_name:
        return name_list(data, &view->server_name) ? NULL : "the server_name extension";
    case TLSEXT_TYPE_supported_groups:
        view->has_groups = true;
        return number_list(data, &view->groups) ? NULL : "the supported_groups extension";
    case TLSEXT_TYPE_signature_algorithms:
        view->has_schemes = true;
        return number_list(data, &view->schemes) ? NULL : "the signature_algorithms extension";
    case TLSEXT_TYPE_application_layer_protocol_negotiation:
        return protocol_list(data, &view->protocols) ? NULL : "the ALPN extension";
    case TLSEXT_TYPE_supported_versions:
        view->has_versions = true;
        return version_list(data, &view->versions) ? NULL : "the supported_versions extension";
    case TLSEXT_TYPE_key_share:
        view->has_key_share = true;
        return NULL;
    default:
        return NULL;
    }
}

/* All of them. NULL, or what is malformed. */
static const char *read_extensions(struct hello_view *view, CBS extensions)
{
    uint16_t seen[EXTENSIONS_MAX];
    size_t count = 0;
    while (CBS_len(&extensions) > 0) {
        uint16_t type;
        CBS data;
        if (!CBS_get_u16(&extensions, &type) || !CBS_get_u16_length_prefixed(&extensions, &data)) {
            return "the extensions: one is longer than the message";
        }
        for (size_t i = 0; i < count; i++) {
            if (seen[i] == type) {
                return "the extensions: one is there twice";
            }
        }
        if (count < EXTENSIONS_MAX) {
            seen[count++] = type;
        }
        const char *why = read_extension(view, type, data);
        if (why != NULL) {
            return why;
        }
    }
    return NULL;
}

/* What comes before the extensions. NULL, or what is malformed. */
static const char *read_head(struct hello_view *view, CBS *rest)
{
    CBS session_id, compressions;
    if (!CBS_get_u16(rest, &view->version) || !CBS_skip(rest, RANDOM_SIZE)) {
        return "the beginning: it is too short";
    }
    if (!CBS_get_u8_length_prefixed(rest, &session_id) || CBS_len(&session_id) > SESSION_ID_MAX) {
        return "the session id";
    }
    if (!CBS_get_u16_length_prefixed(rest, &view->suites) || CBS_len(&view->suites) < 2 ||
        CBS_len(&view->suites) % 2 != 0) {
        return "the list of cipher suites";
    }
    if (!CBS_get_u8_length_prefixed(rest, &compressions) || CBS_len(&compressions) < 1) {
        return "the list of compression methods";
    }
    for (uint8_t method; CBS_get_u8(&compressions, &method);) {
        view->uncompressed = view->uncompressed || method == 0;
    }
    return NULL;
}

bool hello_view_read(struct hello_view *view, const uint8_t *hello, size_t length, const char **why)
{
    CBS rest, extensions;
    *view = (struct hello_view){0};
    CBS_init(&rest, hello, length);
    *why = read_head(view, &rest);
    if (*why == NULL && CBS_len(&rest) > 0) {
        if (!CBS_get_u16_length_prefixed(&rest, &extensions) || CBS_len(&rest) != 0) {
            *why = "the length of its extensions";
        } else {
            *why = read_extensions(view, extensions);
        }
    }
    return *why == NULL;
}

/* Without supported_versions TLS 1.3 cannot be asked for. */
static uint16_t legacy_version(const struct hello_view *view)
{
    return view->version > TLS1_2_VERSION ? TLS1_2_VERSION : view->version;
}

/* Is this a version that means something? */
static bool is_version(uint16_t version)
{
    return version >= SSL3 && version <= TLS1_3_VERSION;
}

uint16_t hello_common_version(const struct hello_view *view, uint16_t min, uint16_t max)
{
    uint16_t best = 0, version;
    CBS list = view->versions;
    if (!view->has_versions) {
        version = legacy_version(view);
        version = version > max ? max : version;
        return version >= min ? version : 0;
    }
    while (CBS_get_u16(&list, &version)) {
        if (version >= min && version <= max && version > best) {
            best = version;
        }
    }
    return best;
}

uint16_t hello_highest_version(const struct hello_view *view)
{
    return view->has_versions ? hello_common_version(view, SSL3, TLS1_3_VERSION)
                              : legacy_version(view);
}

uint16_t hello_lowest_version(const struct hello_view *view)
{
    uint16_t lowest = 0, version;
    CBS list = view->versions;
    while (CBS_get_u16(&list, &version)) {
        if (is_version(version) && (lowest == 0 || version < lowest)) {
            lowest = version;
        }
    }
    return lowest;
}
