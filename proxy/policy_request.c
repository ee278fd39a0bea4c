#include "proxy/policy_request.h"

#include <string.h>

/* One attribute. */
struct attribute {
    const char *name;
    size_t name_length;
    const char *value;
    size_t value_length;
};

/* What is collected from several attributes. */
struct parser {
    struct policy_request *request;
    bool is_access_policy;
    uint32_t client_port;
    uint32_t server_port;
};

static bool is_named(const struct attribute *attribute, const char *name)
{
    return attribute->name_length == strlen(name) &&
           memcmp(attribute->name, name, attribute->name_length) == 0;
}

/* Copy a value. False: it is too long, or has a NUL in it. */
static bool copy_value(const struct attribute *attribute, char *out, size_t capacity)
{
    if (attribute->value_length >= capacity ||
        memchr(attribute->value, '\0', attribute->value_length) != NULL)
        return false;
    memcpy(out, attribute->value, attribute->value_length);
    out[attribute->value_length] = '\0';
    return true;
}

/* A decimal number up to MOST; an empty value is 0. */
static bool read_number(const struct attribute *attribute, uint32_t most, uint32_t *number)
{
    uint64_t value = 0;

    for (size_t i = 0; i < attribute->value_length; i++) {
        char c = attribute->value[i];
        if (c < '0' || c > '9')
            return false;
        value = value * 10 + (uint64_t)(c - '0');
        if (value > most)
            return false;
    }
    *number = (uint32_t)value;
    return true;
}

/* An address; an empty value, or "unknown", is none. */
static bool read_address(const struct attribute *attribute, struct client_address *address)
{
    char text[CLIENT_ADDRESS_TEXT_MAX];

    *address = (struct client_address){0};
    return copy_value(attribute, text, sizeof(text)) &&
           (client_address_parse(address, text) || text[0] == '\0' || strcmp(text, "unknown") == 0);
}

/* Take one attribute. Returns what is wrong, or NULL. */
static const char *take(struct parser *parser, const struct attribute *attribute)
{
    struct policy_request *request = parser->request;

    if (is_named(attribute, "request"))
        parser->is_access_policy =
            attribute->value_length == strlen("smtpd_access_policy") &&
            memcmp(attribute->value, "smtpd_access_policy", attribute->value_length) == 0;
    else if (is_named(attribute, "protocol_state"))
        return copy_value(attribute, request->state, sizeof(request->state)) ? NULL
                                                                             : "bad protocol_state";
    else if (is_named(attribute, "sender"))
        return copy_value(attribute, request->sender, sizeof(request->sender)) ? NULL
                                                                               : "bad sender";
    else if (is_named(attribute, "recipient"))
        return copy_value(attribute, request->recipient, sizeof(request->recipient))
                   ? NULL
                   : "bad recipient";
    else if (is_named(attribute, "recipient_count"))
        return read_number(attribute, UINT32_MAX, &request->recipient_count)
                   ? NULL
                   : "bad recipient_count";
    else if (is_named(attribute, "client_address"))
        return read_address(attribute, &request->client) ? NULL : "bad client_address";
    else if (is_named(attribute, "client_port"))
        return read_number(attribute, UINT16_MAX, &parser->client_port) ? NULL : "bad client_port";
    else if (is_named(attribute, "server_address"))
        return read_address(attribute, &request->server) ? NULL : "bad server_address";
    else if (is_named(attribute, "server_port"))
        return read_number(attribute, UINT16_MAX, &parser->server_port) ? NULL : "bad server_port";
    return NULL;
}

/* Take a line without its line end. Returns what is wrong, or NULL. */
static const char *take_line(struct parser *parser, const char *line, size_t length)
{
    const char *equals = memchr(line, '=', length);

    if (equals == NULL || equals == line)
        return "a line that is no name=value";
    const struct attribute attribute = {.name = line,
                                        .name_length = (size_t)(equals - line),
                                        .value = equals + 1,
                                        .value_length = length - (size_t)(equals - line) - 1};
    return take(parser, &attribute);
}

/* What is wrong, if anything is. */
static enum policy_request_result refuse(struct policy_request *request, const char *error)
{
    request->error = error;
    return POLICY_REQUEST_BAD;
}

enum policy_request_result policy_request_parse(const char *text, size_t length,
                                                struct policy_request *request)
{
    struct parser parser = {.request = request};
    const char *end = text + (length < POLICY_REQUEST_MAX ? length : POLICY_REQUEST_MAX);
    const char *newline;

    *request = (struct policy_request){.length = 0};
    for (const char *line = text;
         line < end && (newline = memchr(line, '\n', (size_t)(end - line))) != NULL;
         line = newline + 1) {
        if (newline > line) {
            const char *error = take_line(&parser, line, (size_t)(newline - line));
            if (error != NULL)
                return refuse(request, error);
            continue;
        }
        if (!parser.is_access_policy)
            return refuse(request, "no request=smtpd_access_policy");
        request->client.port = (uint16_t)parser.client_port;
        request->server.port = (uint16_t)parser.server_port;
        request->length = (size_t)(newline + 1 - text);
        return POLICY_REQUEST_DONE;
    }
    return length < POLICY_REQUEST_MAX ? POLICY_REQUEST_MORE : refuse(request, "request too long");
}
