#include "proxy/json.h"

#include <stdlib.h>

/* A string with what JSON wants escaped. */
static void put_text(FILE *out, const char *text)
{
    fputc('"', out);
    const unsigned char *byte = (const unsigned char *)text;
    for (const unsigned char *plain = byte;; plain = byte) {
        while (*byte >= 0x20 && *byte < 0x7f && *byte != '"' && *byte != '\\')
            byte++;
        fwrite(plain, 1, (size_t)(byte - plain), out);
        if (*byte == '\0')
            break;
        if (*byte == '"' || *byte == '\\')
            fprintf(out, "\\%c", *byte);
        else
            fprintf(out, "\\u%04x", *byte);
        byte++;
    }
    fputc('"', out);
}

/* Comma, line, indentation and name before a member. */
static void begin_member(struct json *json, const char *name)
{
    if (json->depth > 0) {
        fputs(json->filled[json->depth] ? ",\n" : "\n", json->out);
        fprintf(json->out, "%*s", 2 * json->depth, "");
    }
    json->filled[json->depth] = true;
    if (name != NULL) {
        put_text(json->out, name);
        fputs(": ", json->out);
    }
}

/* One level deeper. */
static void open_level(struct json *json, const char *name, char bracket)
{
    begin_member(json, name);
    fputc(bracket, json->out);
    if (++json->depth == (int)(sizeof(json->filled) / sizeof(json->filled[0])))
        abort();
    json->filled[json->depth] = false;
}

static void close_level(struct json *json, char bracket)
{
    bool filled = json->filled[json->depth--];

    if (filled)
        fprintf(json->out, "\n%*s", 2 * json->depth, "");
    fputc(bracket, json->out);
    if (json->depth == 0)
        fputc('\n', json->out);
}

void json_object(struct json *json, const char *name)
{
    open_level(json, name, '{');
}

void json_array(struct json *json, const char *name)
{
    open_level(json, name, '[');
}

void json_end_object(struct json *json)
{
    close_level(json, '}');
}

void json_end_array(struct json *json)
{
    close_level(json, ']');
}

void json_string(struct json *json, const char *name, const char *value)
{
    begin_member(json, name);
    if (value == NULL)
        fputs("null", json->out);
    else
        put_text(json->out, value);
}

void json_number(struct json *json, const char *name, long long value)
{
    begin_member(json, name);
    fprintf(json->out, "%lld", value);
}

void json_bool(struct json *json, const char *name, bool value)
{
    begin_member(json, name);
    fputs(value ? "true" : "false", json->out);
}
