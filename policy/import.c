/*
 * import.c: the files are read, the steps of an import follow each other, and the result is given
 * to gatepost's own reader before anybody else sees it.
 */
#include "policy/import.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy/config.h"
#include "policy/endpoint.h"
#include "policy/import_internal.h"
#include "policy/regular_file.h"
#include "policy/tls_policy.h"

/* Read the file NAME of DIRECTORY. Returns -1 after reporting. */
static int read_file(const char *directory, const char *name, size_t max, struct text *text,
                     struct diag *diag)
{
    struct text path = {0};

    text_format(&path, "%s/%s", directory, name);
    int result = regular_file_read(path.data, max, text, diag);
    text_free(&path);
    return result;
}

/* Parse both files. Returns -1 after reporting. */
static int parse(struct import *import, const struct import_source *source)
{
    struct text name = {0};

    text_format(&name, "%s/main.cf", source->directory);
    int status = maincf_parse(name.data, source->main_text, source->main_length, &import->main,
                              import->diag);
    text_free(&name);
    text_format(&name, "%s/master.cf", source->directory);
    if (master_cf_parse(name.data, source->master_text, source->master_length, &import->master,
                        import->diag) != 0)
        status = -1;
    text_free(&name);
    for (size_t i = 0; i < import->main.count; i++)
        settings_add(&import->main_settings, import->main.entries[i].name,
                     import->main.entries[i].value, "", false);
    settings_index(&import->main_settings);
    return status;
}

/* Free everything but the structure. */
static void clear(struct import *import)
{
    for (size_t i = 0; i < import->count; i++) {
        free(import->lines[i].value);
        text_free(&import->lines[i].reasons);
    }
    free(import->lines);
    settings_free(&import->settings);
    settings_free(&import->main_settings);
    maincf_free(&import->main);
    master_cf_free(&import->master);
    free(import->ports);
    free(import->directory);
}

/* Pass on errors only: the rest is in the comments. */
static void pass_error(void *ctx, enum diag_severity severity, const char *text)
{
    if (severity == DIAG_ERROR)
        diag_error(ctx, "%s", text);
}

/* Read the result as the daemon will, and report the errors that are not known yet. */
static void check_result(const char *text, size_t length, struct diag *diag)
{
    struct diag check = {.sink = diag->errors == 0 ? pass_error : NULL, .ctx = diag};
    struct config *config = config_parse("gatepost.cf", text, length, NULL, 0, &check);
    struct listen_list list;

    if (config == NULL)
        return;
    if (listen_list_parse(config, &list, &check) == 0)
        listen_list_free(&list);
    tls_policy_free(tls_policy_from_config(config, &check));
    config_free(config);
}

/* The steps after parsing; the result is written into memory first. */
static void convert(struct import *import, FILE *out)
{
    char *text = NULL;
    size_t length = 0;
    FILE *memory = open_memstream(&text, &length);

    if (memory == NULL) {
        diag_error(import->diag, "out of memory");
        return;
    }
    import_find_services(import);
    import_make_lines(import);
    import_choose_backend(import);
    import_decide_level(import);
    import_rewrite_values(import);
    import_add_findings(import);
    import_write(import, memory);
    if (fclose(memory) == 0) {
        check_result(text, length, import->diag);
        fwrite(text, 1, length, out);
    } else {
        diag_error(import->diag, "out of memory");
    }
    free(text);
}

int import_text(const struct import_source *source, FILE *out, struct diag *diag)
{
    /* Counts from zero, so that errors of the caller's past do not count. */
    struct diag own = {.sink = diag->sink, .ctx = diag->ctx};
    struct import import = {.directory = text_copy(source->directory), .diag = &own};

    if (parse(&import, source) == 0)
        convert(&import, out);
    clear(&import);
    diag->warnings += own.warnings;
    diag->errors += own.errors;
    return own.errors == 0 ? 0 : -1;
}

int import_postfix(const char *directory, FILE *out, struct diag *diag)
{
    char *full = realpath(directory, NULL);
    struct text main_text = {0};
    struct text master_text = {0};
    int status = -1;

    if (full == NULL) {
        diag_error(diag, "open %s: %s", directory, strerror(errno));
        return -1;
    }
    if (read_file(full, "main.cf", MAINCF_MAX_SIZE, &main_text, diag) == 0 &&
        read_file(full, "master.cf", MASTER_MAX_SIZE, &master_text, diag) == 0) {
        const struct import_source source = {
            full, main_text.data != NULL ? main_text.data : "", main_text.length,
            master_text.data != NULL ? master_text.data : "", master_text.length};

        status = import_text(&source, out, diag);
    }
    text_free(&main_text);
    text_free(&master_text);
    free(full);
    return status;
}
