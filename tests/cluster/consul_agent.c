/*
 * A real Consul agent for tests: see the header. The test's main thread only.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "consul_agent.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READY_TRIES = 600, TRY_MS = 50, PORTS = 4 };

static void must(bool holds, const char *what)
{
    if (!holds) {
        printf("the agent cannot be used: %s\n", what);
        abort();
    }
}

const char *consul_program(void)
{
    static char found[256];
    const char *named = getenv("GRANARY_TEST_CONSUL");
    const char *from = getenv("PATH");

    if (named != NULL && named[0] != '\0') {
        return access(named, X_OK) == 0 ? named : NULL;
    }
    while (from != NULL && *from != '\0') {
        size_t count = strcspn(from, ":");

        (void)snprintf(found, sizeof(found), "%.*s/consul", (int)count, from);
        if (access(found, X_OK) == 0) {
            return found;
        }
        from += count + (from[count] == ':');
    }
    return NULL;
}

/* All at once, so that they differ. */
static void free_ports(int *ports, int count)
{
    int sockets[PORTS];
    int i = 0;

    for (i = 0; i < count; i++) {
        struct sockaddr_in address = {.sin_family = AF_INET};
        socklen_t bytes = sizeof(address);

        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        sockets[i] = socket(AF_INET, SOCK_STREAM, 0);
        must(bind(sockets[i], (struct sockaddr *)&address, sizeof(address)) == 0 &&
                 getsockname(sockets[i], (struct sockaddr *)&address, &bytes) == 0,
             "a free port");
        ports[i] = ntohs(address.sin_port);
    }
    for (i = 0; i < count; i++) {
        (void)close(sockets[i]);
    }
}

void consul_agent_init(consul_agent *agent)
{
    *agent = (consul_agent){.folder = "/tmp/granary-consul-XXXXXX"};
    must(mkdtemp(agent->folder) != NULL, "a folder");
    free_ports(&agent->port, 1);
    (void)snprintf(agent->where, sizeof(agent->where), "//127.0.0.1:%d", agent->port);
}

bool consul_agent_make_certificates(consul_agent *agent)
{
    char command[512];

    (void)snprintf(command, sizeof(command),
                   "cd '%s' && '%s' tls ca create >/dev/null 2>&1 && "
                   "'%s' tls cert create -server >/dev/null 2>&1",
                   agent->folder, consul_program(), consul_program());
    agent->tls = system(command) == 0;
    return agent->tls;
}

static void write_config(const consul_agent *agent, const char *config)
{
    char name[128];
    FILE *file = NULL;

    (void)snprintf(name, sizeof(name), "%s/config.json", agent->folder);
    file = fopen(name, "w");
    must(file != NULL, "its configuration");
    (void)fputs(config, file);
    (void)fclose(file);
}

static void run_agent(const consul_agent *agent, const int *ports)
{
    char http[32], server[32], lan[32], wan[32], https[32], config[128], log[128];
    int out = -1;

    (void)snprintf(http, sizeof(http), "-http-port=%d", agent->tls ? -1 : agent->port);
    (void)snprintf(https, sizeof(https), "-https-port=%d", agent->tls ? agent->port : -1);
    (void)snprintf(server, sizeof(server), "-server-port=%d", ports[0]);
    (void)snprintf(lan, sizeof(lan), "-serf-lan-port=%d", ports[1]);
    (void)snprintf(wan, sizeof(wan), "-serf-wan-port=%d", ports[2]);
    (void)snprintf(config, sizeof(config), "-config-file=%s/config.json", agent->folder);
    (void)snprintf(log, sizeof(log), "%s/log", agent->folder);
    out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    (void)dup2(out, 1);
    (void)dup2(out, 2);
    (void)chdir(agent->folder);
    (void)execl(consul_program(), "consul", "agent", "-dev", "-bind=127.0.0.1", "-client=127.0.0.1",
                "-dns-port=-1", "-grpc-port=-1", http, https, server, lan, wan, config,
                (char *)NULL);
    _exit(127);
}

char *consul_agent_ask(const consul_agent *agent, const char *method, const char *path,
                       const char *body)
{
    char command[1024];
    size_t room = 1 << 20;
    char *answer = calloc(1, room);
    FILE *pipe = NULL;

    (void)snprintf(command, sizeof(command),
                   "curl -s -k --noproxy '*' --max-time 5 -X %s -d '%s' "
                   "${CONSUL_HTTP_TOKEN:+-H \"X-Consul-Token: $CONSUL_HTTP_TOKEN\"} "
                   "'%s://127.0.0.1:%d%s'",
                   method, body == NULL ? "" : body, agent->tls ? "https" : "http", agent->port,
                   path);
    pipe = popen(command, "r");
    must(pipe != NULL && answer != NULL, "curl");
    (void)!fread(answer, 1, room - 1, pipe);
    (void)pclose(pipe);
    return answer;
}

/* There is nothing to wait on but its answers: it is another program that starts. */
static bool wait_ready(const consul_agent *agent)
{
    int tries = 0;

    for (tries = 0; tries < READY_TRIES; tries++) {
        char *answer = consul_agent_ask(agent, "GET", "/v1/status/leader", NULL);
        bool ready = strstr(answer, "127.0.0.1:") != NULL;

        free(answer);
        if (ready) {
            return true;
        }
        (void)poll(NULL, 0, TRY_MS);
    }
    return false;
}

void consul_agent_start(consul_agent *agent, const char *config)
{
    int ports[3];

    free_ports(ports, 3);
    write_config(agent, config);
    agent->pid = fork();
    must(agent->pid >= 0, "a process");
    if (agent->pid == 0) {
        run_agent(agent, ports);
    }
    must(wait_ready(agent), "it does not answer");
}

static void snapshot(const consul_agent *agent, const char *verb)
{
    char command[512];

    (void)snprintf(command, sizeof(command),
                   "'%s' snapshot %s -http-addr=127.0.0.1:%d '%s/snapshot' >/dev/null",
                   consul_program(), verb, agent->port, agent->folder);
    must(system(command) == 0, "its snapshots");
}

void consul_agent_save(const consul_agent *agent)
{
    snapshot(agent, "save");
}

void consul_agent_restore(const consul_agent *agent)
{
    snapshot(agent, "restore");
}

void consul_agent_kill(consul_agent *agent)
{
    if (agent->pid > 0) {
        (void)kill(agent->pid, SIGCONT);
        (void)kill(agent->pid, SIGKILL);
        (void)waitpid(agent->pid, NULL, 0);
        agent->pid = 0;
    }
}

void consul_agent_fini(consul_agent *agent)
{
    char command[128];

    consul_agent_kill(agent);
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", agent->folder);
    must(system(command) == 0, "its folder cannot be removed");
}
