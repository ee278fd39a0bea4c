#include "proxy/metrics_labels.h"

#include <string.h>

#define LABEL(id, label) label,
const char *const metrics_protocols[METRICS_PROTOCOL_COUNT] = {METRICS_PROTOCOLS(LABEL)};
const char *const metrics_ciphers[METRICS_CIPHER_COUNT] = {METRICS_CIPHERS(LABEL)};
const char *const metrics_groups[METRICS_GROUP_COUNT] = {METRICS_GROUPS(LABEL)};
const char *const metrics_peers[METRICS_PEER_COUNT] = {METRICS_PEERS(LABEL)};
const char *const metrics_levels[METRICS_LEVEL_COUNT] = {METRICS_LEVELS(LABEL)};
const char *const metrics_places[METRICS_PLACE_COUNT] = {METRICS_PLACES(LABEL)};
const char *const metrics_transports[METRICS_TRANSPORT_COUNT] = {METRICS_TRANSPORTS(LABEL)};
const char *const metrics_limits[METRICS_LIMIT_COUNT] = {METRICS_LIMITS(LABEL)};
const char *const metrics_roles[METRICS_ROLE_COUNT] = {METRICS_ROLES(LABEL)};
const char *const metrics_reloads[METRICS_RELOAD_COUNT] = {METRICS_RELOADS(LABEL)};
#define SECONDS(id, seconds) seconds,
const double metrics_bounds[METRICS_BOUND_COUNT] = {METRICS_BOUNDS(SECONDS)};

size_t metrics_find(const char *const *labels, size_t count, const char *word)
{
    size_t i = 0;

    while (i + 1 < count && strcmp(labels[i], word) != 0)
        i++;
    return i;
}
