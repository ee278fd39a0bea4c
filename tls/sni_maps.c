/* sni_maps.c: see sni_maps.h. */
#include "tls/sni_maps.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "policy/line_source.h"
#include "policy/text.h"

#define HOST_NAME_LENGTH_MAX 255
#define LABEL_LENGTH_MAX 63

/* What is known while maps are read. */
struct reader {
    const char *origin;
    size_t map;
    void (*each)(void *ctx, const struct tls_sni_entry *entry);
    void *ctx;
    struct diag *diag;
    int status; /* -1 after an error */
};

/* A character of a label. */
static bool is_label_byte(char c)
{
    return text_is_name(c) || c == '-';
}

bool tls_sni_is_host_name(const char *name)
{
    bool all_digits = true;
    size_t total = 0;
    for (const char *p = name;; p++) {
        size_t length = 0;
        for (; is_label_byte(p[length]); length++) {
            all_digits = all_digits && text_is_digit(p[length]);
        }
        if (length == 0 || length > LABEL_LENGTH_MAX || *p == '-' || p[length - 1] == '-') {
            return false;
        }
        p += length;
        total += length + 1;
        if (*p == '\0') {
            return !all_digits && total - 1 <= HOST_NAME_LENGTH_MAX;
        }
        if (*p != '.') {
            return false;
        }
    }
}

/* Copy LENGTH bytes without the blanks at both ends. */
static char *copy_trimmed(const char *text, size_t length)
{
    while (length > 0 && text_is_blank(*text)) {
        text++;
        length--;
    }
    while (length > 0 && text_is_blank(text[length - 1])) {
        length--;
    }
    return text_copy_n(text, length);
}

/* Hand an entry over. A key that begins with a dot is for all names below. */
static void take(struct reader *reader, const char *key, size_t key_length, const char *value,
                 size_t value_length, const char *place)
{
    char *name = copy_trimmed(key, key_length);
    char *files = copy_trimmed(value, value_length);
    for (char *p = name; *p != '\0'; p++) {
        *p = text_lower(*p);
    }
    if (!tls_sni_is_host_name(name + (*name == '.'))) {
        diag_error(reader->diag, "%s: \"%.100s\" is no host name (nor .domain)", place, name);
        reader->status = -1;
    } else if (files[strspn(files, TEXT_LIST_SEPARATORS)] == '\0') {
        diag_error(reader->diag, "%s: no chain files for %.100s", place, name);
        reader->status = -1;
    } else {
        const struct tls_sni_entry entry = {reader->map, name, files, place};
        reader->each(reader->ctx, &entry);
    }
    free(name);
    free(files);
}

/* One element of an inline map, with or without braces around it. */
static void read_inline_entry(struct reader *reader, const char *element, size_t length,
                              const char *place)
{
    if (length >= 2 && element[0] == '{' && element[length - 1] == '}') {
        element++;
        length -= 2;
    }
    const char *equals = memchr(element, '=', length);
    if (equals == NULL) {
        diag_error(reader->diag, "%s: \"%.*s\": specify { name = chain files }", place,
                   length > 100 ? 100 : (int)length, element);
        reader->status = -1;
        return;
    }
    size_t key_length = (size_t)(equals - element);
    take(reader, element, key_length, equals + 1, length - key_length - 1, place);
}

/* "{ ... }" behind "inline:". */
static void read_inline(struct reader *reader, const char *text, size_t length, const char *place)
{
    if (length < 2 || text[0] != '{' || text[length - 1] != '}') {
        diag_error(reader->diag, "%s: specify inline:{ { name = chain files }, ... }", place);
        reader->status = -1;
        return;
    }
    char *inside = text_copy_n(text + 1, length - 2);
    const char *cursor = inside, *element;
    size_t element_length;
    while ((element = text_next(&cursor, TEXT_LIST_SEPARATORS, true, &element_length)) != NULL) {
        read_inline_entry(reader, element, element_length, place);
    }
    free(inside);
}

/* One line of a file. */
static void read_line(struct reader *reader, const char *line, size_t length, const char *place)
{
    size_t key_length = 0;
    while (key_length < length && !text_is_blank(line[key_length])) {
        key_length++;
    }
    if (memchr(line, '\0', length) != NULL) {
        diag_error(reader->diag, "%s: a NUL byte", place);
        reader->status = -1;
        return;
    }
    take(reader, line, key_length, line + key_length, length - key_length, place);
}

static void read_file(struct reader *reader, const char *path)
{
    struct line_source *source = line_source_open(path, reader->diag);
    const char *line;
    size_t length;
    unsigned number;
    if (source == NULL) {
        reader->status = -1;
        return;
    }
    while ((line = line_source_next(source, &length, &number)) != NULL) {
        struct text place = {0};
        text_format(&place, "%s, line %u", path, number);
        read_line(reader, line, length, place.data);
        text_free(&place);
    }
    if (line_source_failed(source)) {
        reader->status = -1;
    }
    line_source_close(source);
}

/* "type:name". */
static void read_map(struct reader *reader, const char *map, size_t length)
{
    static const char inline_type[] = "inline:", file_type[] = "texthash:";
    struct text place = {0};
    if (reader->origin != NULL) {
        text_format(&place, "%s: ", reader->origin);
    }
    text_add_string(&place, "tls_server_sni_maps");
    if (length >= sizeof inline_type - 1 && memcmp(map, inline_type, sizeof inline_type - 1) == 0) {
        read_inline(reader, map + sizeof inline_type - 1, length - (sizeof inline_type - 1),
                    place.data);
    } else if (length > sizeof file_type - 1 && memcmp(map, file_type, sizeof file_type - 1) == 0) {
        char *path = text_copy_n(map + sizeof file_type - 1, length - (sizeof file_type - 1));
        read_file(reader, path);
        free(path);
    } else {
        diag_error(reader->diag,
                   "%s: \"%.*s\": gatepost reads inline:{ { name = chain files }, ... } and"
                   " texthash:/path, the text file that other types are made from with postmap -F",
                   place.data, length > 100 ? 100 : (int)length, map);
        reader->status = -1;
    }
    text_free(&place);
}

int tls_sni_maps_read(const char *value, const char *origin,
                      void (*each)(void *ctx, const struct tls_sni_entry *entry), void *ctx,
                      struct diag *diag)
{
    struct reader reader = {.origin = origin, .each = each, .ctx = ctx, .diag = diag};
    const char *cursor = value, *map;
    size_t length;
    for (; (map = text_next(&cursor, TEXT_LIST_SEPARATORS, true, &length)) != NULL; reader.map++) {
        read_map(&reader, map, length);
    }
    return reader.status;
}

/* Keep a copy of an entry. */
static void keep(void *ctx, const struct tls_sni_entry *entry)
{
    struct tls_sni_list *list = ctx;
    list->entries = text_resize(list->entries, list->count + 1, sizeof *list->entries);
    list->entries[list->count++] = (struct tls_sni_entry){
        entry->map, text_copy(entry->name), text_copy(entry->files), text_copy(entry->place)};
}

struct tls_sni_list *tls_sni_list_read(const char *value, const char *origin, struct diag *diag)
{
    struct tls_sni_list *list = text_alloc(1, sizeof *list);
    if (tls_sni_maps_read(value, origin, keep, list, diag) == 0) {
        return list;
    }
    tls_sni_list_free(list);
    return NULL;
}

void tls_sni_list_free(struct tls_sni_list *list)
{
    for (size_t i = 0; list != NULL && i < list->count; i++) {
        free((char *)list->entries[i].name);
        free((char *)list->entries[i].files);
        free((char *)list->entries[i].place);
    }
    if (list != NULL) {
        free(list->entries);
    }
    free(list);
}
