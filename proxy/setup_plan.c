#include "proxy/setup_plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy/endpoint.h"
#include "policy/import.h"
#include "policy/text.h"

#include "proxy/setup_units.h"

#define PROMPT "#$ " /* before a command, in what import writes */
#define FILE_NAME "gatepost.cf"

/* PATH without links and dots, for the caller to free. NULL after reporting. */
static char *absolute(const char *path, struct diag *diag)
{
    char *full = realpath(path, NULL);

    if (full == NULL)
        diag_error(diag, "%s: %s", path, strerror(errno));
    else if (strchr(full, '\n') != NULL)
        diag_error(diag, "%s: a directory with such a name is not dealt with", path);
    else
        return full;
    free(full);
    return NULL;
}

/* Import the Postfix configuration. NULL after reporting. */
static char *import(const char *postfix, struct diag *diag)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    int status = -1;

    if (out != NULL) {
        status = import_postfix(postfix, out, diag);
        if (fclose(out) != 0)
            status = -1;
    }
    if (status == 0)
        return text;
    free(text);
    diag_error(diag,
               "%s cannot be taken over as it is: \"gatepost import %s\" shows the lines with "
               "the reasons",
               postfix, postfix);
    return NULL;
}

/* TEXT without the settings of NAME, and one line for it at the end. */
static void set_value(struct text *text, const char *name, const char *value)
{
    struct text result = {0};
    size_t length = strlen(name);
    const char *line = text->data != NULL ? text->data : "";

    while (*line != '\0') {
        size_t size = strcspn(line, "\n");

        size += line[size] == '\n';
        if (strncmp(line, name, length) != 0 || strncmp(line + length, " = ", 3) != 0)
            text_add(&result, line, size);
        line += size;
    }
    text_format(&result, "%s = %s\n", name, value);
    text_free(text);
    *text = result;
}

/* Note one command of import's. */
static void take_command(struct setup_plan *plan, const char *text, size_t length)
{
    if (length < 3 || strncmp(text, "cp ", 3) == 0 || plan->command_count == SETUP_COMMANDS_MAX)
        return; /* copies are made here, of everything */
    char *command = text_copy_n(text, length);
    if (strstr(command, " -M# ") != NULL && plan->removal == SETUP_COMMANDS_MAX)
        plan->removal = plan->command_count;
    plan->commands[plan->command_count++] = command;
}

/* The commands in TEXT, which import wrote. Returns -1 after reporting. */
static int take_commands(struct setup_plan *plan, const char *text, struct diag *diag)
{
    static const char reload[] = " reload";

    plan->removal = SETUP_COMMANDS_MAX;
    for (const char *line = text; line != NULL && *line != '\0';) {
        size_t length = strcspn(line, "\n");

        if (strncmp(line, PROMPT, strlen(PROMPT)) == 0)
            take_command(plan, line + strlen(PROMPT), length - strlen(PROMPT));
        line += length + (line[length] == '\n');
    }
    if (plan->removal > plan->command_count)
        plan->removal = plan->command_count;
    const char *last = plan->command_count > 0 ? plan->commands[plan->command_count - 1] : "";
    size_t length = strlen(last);
    if (length < strlen(reload) || strcmp(last + length - strlen(reload), reload) != 0) {
        diag_error(diag, "there is no way known to put this Postfix behind gatepost");
        return -1;
    }
    struct text running = {0};
    text_add(&running, last, length - strlen(reload));
    text_add_string(&running, " status");
    plan->running = text_take(&running);
    plan->reload = text_copy(last);
    return 0;
}

/* "host:port" of a backend as commands have it, or NULL if it is none of that kind; for the caller
 * to free. */
static char *backend_name(const struct config *config)
{
    static const char prefix[] = "inet:";
    const char *value = config_str(config, PARAM_gatepost_backend);

    return strncmp(value, prefix, strlen(prefix)) == 0 ? text_copy(value + strlen(prefix)) : NULL;
}

/* Every OLD in *STRING becomes NEW. */
static void substitute(char **string, const char *old, const char *new)
{
    struct text result = {0};
    const char *rest = *string;
    const char *found;

    while ((found = strstr(rest, old)) != NULL) {
        text_add(&result, rest, (size_t)(found - rest));
        text_add_string(&result, new);
        rest = found + strlen(old);
    }
    text_add_string(&result, rest);
    free(*string);
    *string = text_take(&result);
}

/* The operator wants another backend than import has chosen: the commands make that. Returns -1
 * after reporting. */
static int move_backend(struct setup_plan *plan, const struct config *imported, struct diag *diag)
{
    char *old = backend_name(imported);
    char *new = backend_name(plan->config);
    int status = 0;

    if (old == NULL || new == NULL || strpbrk(new, " ,\t'") != NULL) {
        diag_error(diag, "gatepost_backend: inet:host:port wanted, for a service that Postfix will "
                         "be given");
        status = -1;
    } else if (strcmp(old, new) != 0) {
        for (size_t i = 0; i < plan->command_count; i++)
            substitute(&plan->commands[i], old, new);
    }
    free(old);
    free(new);
    return status;
}

/* Whether PARAM was given with -o. */
static bool is_overridden(const struct setup_request *request, enum param param)
{
    for (size_t i = 0; i < request->override_count; i++) {
        if (strcmp(request->overrides[i].name, config_param_name(param)) == 0)
            return true;
    }
    return false;
}

/* The gatepost.cf: what was imported, TLS if there was none, and the overrides. */
static int make_config(const struct setup_request *request, struct setup_plan *plan,
                       const char *directory, const char *imported, struct diag *diag)
{
    struct text text = {0};
    struct text path = {0};

    text_add_string(&text, imported);
    text_add_string(&text, "\n# Added by gatepost setup:\n");
    struct config *before =
        config_parse(FILE_NAME, text.data, text.length, NULL, 0, &(struct diag){0});
    plan->tls_added = before != NULL && !is_overridden(request, PARAM_smtpd_tls_security_level) &&
                      strcmp(config_str(before, PARAM_smtpd_tls_security_level), "none") == 0;
    if (plan->tls_added)
        set_value(&text, config_param_name(PARAM_smtpd_tls_security_level), "may");
    for (size_t i = 0; i < request->override_count; i++)
        set_value(&text, request->overrides[i].name, request->overrides[i].value);
    text_format(&path, "%s/" FILE_NAME, directory);
    plan->config = config_parse(path.data, text.data, text.length, NULL, 0, diag);
    plan->texts[plan->text_count++] = (struct setup_text){text_take(&path), text_take(&text)};
    int status = before != NULL && plan->config != NULL ? move_backend(plan, before, diag) : -1;
    config_free(before);
    return status;
}

/* Where to try it: the first listener, and the backend. */
static int find_endpoints(struct setup_plan *plan, struct diag *diag)
{
    struct listen_list listeners;
    struct endpoint backend;
    const char *name = config_str(plan->config, PARAM_myhostname);

    if (listen_list_parse(plan->config, &listeners, diag) != 0)
        return -1;
    const struct endpoint *first = &listeners.specs[0].endpoint;
    const bool any = *first->host == '\0' || strcmp(first->host, "*") == 0 ||
                     strcmp(first->host, "0.0.0.0") == 0;
    plan->host = text_copy(any                              ? "127.0.0.1"
                           : strcmp(first->host, "::") == 0 ? "::1"
                                                            : first->host);
    plan->port = text_copy(first->port);
    listen_list_free(&listeners);
    if (endpoint_parse(config_str(plan->config, PARAM_gatepost_backend), "gatepost_backend",
                       &backend, diag) != 0)
        return -1;
    plan->backend_host = text_copy(backend.host != NULL ? backend.host : "");
    plan->backend_port = text_copy(backend.port != NULL ? backend.port : "");
    endpoint_free(&backend);
    const bool tls = strcmp(config_str(plan->config, PARAM_smtpd_tls_security_level), "none") != 0;
    plan->trial = (struct setup_trial){plan->host, plan->port, name, plan->recipient, tls};
    plan->backend = (struct setup_trial){.host = plan->backend_host, .port = plan->backend_port};
    return 0;
}

/* How gatepost is started and ended. */
static int find_commands(const struct setup_request *request, struct setup_plan *plan,
                         struct diag *diag)
{
    if (request->start == NULL)
        return setup_units_plan(plan, diag);
    if (strpbrk(request->start, "\n") != NULL || strpbrk(request->stop, "\n") != NULL) {
        diag_error(diag, "--start and --stop want commands of one line");
        return -1;
    }
    plan->start = text_copy(request->start);
    plan->stop = text_copy(request->stop);
    return 0;
}

/* A value of several lines could be several settings. */
static bool overrides_are_lines(const struct setup_request *request, struct diag *diag)
{
    for (size_t i = 0; i < request->override_count; i++) {
        if (strchr(request->overrides[i].value, '\n') != NULL) {
            diag_error(diag, "-o %s: a value of one line wanted", request->overrides[i].name);
            return false;
        }
    }
    return true;
}

int setup_plan_make(const struct setup_request *request, struct setup_plan *plan, struct diag *diag)
{
    *plan = (struct setup_plan){.recipient = text_copy(request->recipient)};
    char *directory = absolute(request->directory, diag);
    char *postfix = directory != NULL ? absolute(request->postfix, diag) : NULL;
    char *imported = postfix != NULL ? import(postfix, diag) : NULL;
    int status = -1;

    if (strpbrk(plan->recipient, "\r\n<>") != NULL) {
        diag_error(diag, "%s: not an address", plan->recipient);
    } else if (!overrides_are_lines(request, diag)) {
        status = -1;
    } else if (imported != NULL) {
        struct text master = {0};
        text_format(&master, "%s/master.cf", postfix);
        plan->master = text_take(&master);
        if (take_commands(plan, imported, diag) == 0 &&
            make_config(request, plan, directory, imported, diag) == 0 &&
            find_endpoints(plan, diag) == 0)
            status = find_commands(request, plan, diag);
    }
    free(directory);
    free(postfix);
    free(imported);
    return status;
}

void setup_plan_free(struct setup_plan *plan)
{
    for (size_t i = 0; i < plan->text_count; i++) {
        free(plan->texts[i].path);
        free(plan->texts[i].text);
    }
    for (size_t i = 0; i < plan->command_count; i++)
        free(plan->commands[i]);
    free(plan->master);
    free(plan->reload);
    free(plan->running);
    free(plan->start);
    free(plan->stop);
    free(plan->host);
    free(plan->port);
    free(plan->recipient);
    free(plan->backend_host);
    free(plan->backend_port);
    config_free(plan->config);
    *plan = (struct setup_plan){0};
}

/* The certificate that clients will see. */
static void print_certificate(const struct setup_plan *plan, FILE *out)
{
    const char *chain = config_str(plan->config, PARAM_smtpd_tls_chain_files);
    const char *file = config_str(plan->config, PARAM_smtpd_tls_cert_file);

    if (plan->tls_added)
        fputs("     Postfix offered no TLS here; gatepost does: smtpd_tls_security_level = may\n",
              out);
    if (*chain != '\0' || *file != '\0')
        fprintf(out, "     certificate: %s\n", *chain != '\0' ? chain : file);
    else
        fprintf(out, "     certificate: none is configured, so gatepost makes one itself in %s\n",
                config_str(plan->config, PARAM_gatepost_state_directory));
}

/* Commands FIRST up to but not with END. */
static void print_commands(const struct setup_plan *plan, size_t first, size_t end, FILE *out)
{
    for (size_t i = first; i < end; i++)
        fprintf(out, "     %s\n", plan->commands[i]);
}

void setup_plan_print(const struct setup_plan *plan, const char *store, FILE *out)
{
    fprintf(out, " 1. Keep copies in %s (gatepost setup --undo puts them back) of\n     %s\n",
            store, plan->master);
    for (size_t i = 0; i < plan->text_count; i++)
        if (access(plan->texts[i].path, F_OK) == 0)
            fprintf(out, "     %s\n", plan->texts[i].path);
    fputs(" 2. Write\n", out);
    for (size_t i = 0; i < plan->text_count; i++)
        fprintf(out, "     %s\n", plan->texts[i].path);
    fprintf(out, "     listening on %s, in front of %s\n",
            config_str(plan->config, PARAM_gatepost_listen),
            config_str(plan->config, PARAM_gatepost_backend));
    print_certificate(plan, out);
    fputs(" 3. Give Postfix a service behind gatepost:\n", out);
    print_commands(plan, 0, plan->removal, out);
    fputs(" 4. gatepost check\n", out);
    if (plan->removal < plan->command_count) {
        fputs(" 5. Take Postfix off the port:\n", out);
        print_commands(plan, plan->removal, plan->command_count, out);
    }
    fprintf(out, " 6. Start gatepost:\n     %s\n", plan->start);
    fprintf(out, " 7. Send one message to <%s> through %s port %s%s\n", plan->recipient, plan->host,
            plan->port, plan->trial.tls ? ", over STARTTLS" : "");
    fputs("If anything of this fails, all is put back as it was.\n", out);
}
