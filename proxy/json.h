/*
 * json.h: writing JSON (RFC 8259) to a stream: what the command line's --json options need.
 */
#ifndef GATEPOST_PROXY_JSON_H
#define GATEPOST_PROXY_JSON_H

#include <stdbool.h>
#include <stdio.h>

/* Where in a document the writer is: set to {OUT} and begin. Nesting is at most 16 deep. */
struct json {
    FILE *out;
    int depth;
    bool filled[16]; /* the object or array at this depth has a member */
};

/* Objects and arrays; NAME is NULL inside an array and for the document itself. */
void json_object(struct json *json, const char *name);
void json_array(struct json *json, const char *name);
void json_end_object(struct json *json);
void json_end_array(struct json *json);

/* Members. A NULL string is null; bytes that are not ASCII text are escaped. */
void json_string(struct json *json, const char *name, const char *value);
void json_number(struct json *json, const char *name, long long value);
void json_bool(struct json *json, const char *name, bool value);

#endif
