"""Commands as data: names, flags, and the module that runs each, loaded when it is asked for.

A module has `run(call: Call) -> int`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kcp.cli.flags import Flag

if TYPE_CHECKING:
    from collections.abc import Iterator


class Command(NamedTuple):
    """A command: how it is called, what it takes, and where it is."""

    name: str
    about: str
    module: str = ""
    """Empty: a group that only has sub-commands."""
    words: str = ""
    """How the help shows what follows the name."""
    most: int = 0
    """How many words it takes; with more, its help is printed."""
    flags: tuple[Flag, ...] = ()
    aliases: tuple[str, ...] = ()
    commands: tuple[Command, ...] = ()
    examples: tuple[str, ...] = ()
    """Lines of the help: what is typed, each with what it does behind a `#`."""
    statuses: tuple[str, ...] = ()
    """Lines of the help: what each exit status means."""

    def find(self, name: str) -> Command | None:
        """Return the sub-command of a name or alias."""
        return next((c for c in self.commands if name == c.name or name in c.aliases), None)

    def walk(self, path: str = "") -> Iterator[tuple[str, Command]]:
        """Yield the command and all below it, with the words that lead there."""
        here = f"{path} {self.name}".strip()
        yield here, self
        for command in self.commands:
            yield from command.walk(here)


KUBECONFIG = Flag("kubeconfig", "Path to the kubeconfig file to use")
WORKSPACE = Flag("workspace", "Run against another workspace without switching to it", short="w")
SHORT = Flag("short", "Print only the path", default=False)
INTERACTIVE = Flag("interactive", "Browse workspaces on the whole screen", default=False, short="i")

# Every command that talks to a server.
CONNECTION = (
    KUBECONFIG,
    Flag("context", "Name of the kubeconfig context to use"),
    Flag("user", "Name of the kubeconfig user to use"),
    Flag("namespace", "Namespace of the request", short="n"),
    Flag("server", "Address of the API server", short="s"),
    Flag("token", "Bearer token for authentication"),
    Flag("username", "User name for basic authentication"),
    Flag("password", "Password for basic authentication"),
    Flag("as-uid", "UID to impersonate"),
    Flag("as-user-extra", "Extra of the impersonated user, key=value; may be repeated", default=()),
    Flag("certificate-authority", "File with the certificates of the authority to trust"),
    Flag("insecure-skip-tls-verify", "Do not check the server's certificate (insecure)", default=False),
    Flag("tls-server-name", "Name that the server's certificate has to hold for"),
    Flag("proxy-url", "Proxy to reach the server through"),
    Flag("disable-compression", "Ask for answers that are not compressed", default=False),
)
# What klog takes. The verbosity is heeded; the rest is taken because scripts give it to all of kubectl's kind.
LOGGING = (
    Flag("v", "Number for the log level verbosity; 6 and above show requests", default=0, short="v"),
    Flag("vmodule", "Taken and ignored", hidden=True),
    Flag("logtostderr", "Taken and ignored", default=True, hidden=True),
    Flag("alsologtostderr", "Taken and ignored", default=False, hidden=True),
    Flag("stderrthreshold", "Taken and ignored", hidden=True),
    Flag("log-file", "Taken and ignored", hidden=True),
    Flag("log-dir", "Taken and ignored", hidden=True),
    Flag("skip-headers", "Taken and ignored", default=False, hidden=True),
    Flag("add-dir-header", "Taken and ignored", default=False, hidden=True),
    Flag("one-output", "Taken and ignored", default=False, hidden=True),
)
COMMON = (Flag("help", "Show this help", default=False, short="h"), *LOGGING)
VERSION = Flag("version", "Print the version", default=False)

CREATE = Command(
    "create",
    "Create a workspace",
    "kcp.cli.workspace_create",
    "<name>",
    99,
    (
        *CONNECTION,
        WORKSPACE,
        VERSION,
        Flag("type", "Type of the workspace, <name> or <path>:<name>"),
        Flag("enter", "Switch to the new workspace", default=False),
        Flag("ignore-existing", "Succeed when the workspace exists", default=False),
        Flag("location-selector", "Label selector that chooses where the workspace lives"),
        Flag("create-context", "Make a kubeconfig context of this name for the workspace"),
    ),
)
USE = Command(
    "use", "Switch to a workspace", "kcp.cli.workspace_use", "<target>", 1, (*CONNECTION, SHORT), aliases=("cd",)
)
WORKSPACES = Command(
    "workspace",
    "Show, switch and create workspaces",
    "kcp.cli.workspace_use",
    "[<target>]",
    1,
    (*CONNECTION, SHORT, INTERACTIVE, VERSION),
    aliases=("ws", "workspaces"),
    commands=(
        USE,
        Command("current", "Print the current workspace", "kcp.cli.workspace_current", flags=(*CONNECTION, SHORT)),
        Command(
            "tree",
            "Print the workspaces below the current one",
            "kcp.cli.workspace_tree",
            flags=(
                *CONNECTION,
                WORKSPACE,
                INTERACTIVE,
                Flag("full", "Print whole paths", default=False, short="f"),
                Flag("wide", "Print the phases of workspace and logical cluster", default=False),
            ),
        ),
        CREATE,
        Command(
            "create-context",
            "Make a kubeconfig context for the current workspace",
            "kcp.cli.workspace_create_context",
            "[<name>]",
            1,
            (*CONNECTION, Flag("overwrite", "Replace a context of that name", default=False)),
        ),
    ),
)
NAMES = "<name>..."
CLUSTER = Command(
    "cluster",
    "Join physical clusters, and say what may be placed on them",
    aliases=("clusters",),
    commands=(
        Command(
            "join",
            "Register a physical cluster in the workspace",
            "kcp.cli.clusters:join",
            "<name>",
            99,
            (
                *CONNECTION,
                WORKSPACE,
                Flag("from-kubeconfig", "Kubeconfig file that leads to the physical cluster"),
                Flag("from-context", "Its context to use"),
                Flag("sync-mode", "Where the syncer runs: push, pull or none"),
                Flag("share-with", "Who beneath the workspace may use it: none, children or descendants"),
            ),
            examples=("kubectl kcp cluster join east --from-kubeconfig east.kubeconfig --sync-mode pull",),
        ),
        Command(
            "list", "Print the workspace's clusters", "kcp.cli.clusters:show", "", 99, (*CONNECTION, WORKSPACE), ("ls",)
        ),
        Command(
            "cordon", "Place nothing new on clusters", "kcp.cli.clusters:cordon", NAMES, 99, (*CONNECTION, WORKSPACE)
        ),
        Command(
            "uncordon", "Place on clusters again", "kcp.cli.clusters:uncordon", NAMES, 99, (*CONNECTION, WORKSPACE)
        ),
        Command(
            "drain",
            "Place nothing new on clusters, and have what is there go elsewhere",
            "kcp.cli.clusters:drain",
            NAMES,
            99,
            (*CONNECTION, WORKSPACE),
        ),
    ),
)
LATER = "kcp.cli.later"
PLUGIN = Command(
    "kcp",
    "Work with kcp: workspaces and APIs",
    flags=(VERSION,),
    commands=(
        WORKSPACES,
        Command("bind", "Bind to exported APIs", LATER, "...", 99),
        Command("claims", "Show and settle permission claims", LATER, "...", 99),
        CLUSTER,
        Command(
            "crd",
            "Convert CustomResourceDefinitions",
            LATER,
            "...",
            99,
        ),
        Command(
            "explain-access",
            "Tell which rule allows a request, or what denies it",
            "kcp.cli.explain_access",
            "<user> <verb> <resource>[/<name>]",
            99,
            (*CONNECTION, WORKSPACE, Flag("groups", "Groups of the user; may be repeated", default=())),
        ),
        Command(
            "explain-placement",
            "Tell on which physical cluster an object is placed, and why",
            "kcp.cli.placement:explain",
            "<resource>/<name>",
            99,
            (*CONNECTION, WORKSPACE),
            statuses=("0  it is placed", "1  it is placed nowhere, or cannot be looked at"),
        ),
        Command(
            "move",
            "Place an object, or a namespace with what follows it, on another physical cluster",
            "kcp.cli.placement:move",
            "<resource>/<name> --to <cluster>",
            99,
            (*CONNECTION, WORKSPACE, Flag("to", "The cluster (required)")),
            examples=("kubectl kcp move ns/shop --to east",),
        ),
        Command(
            "quickstart",
            "Create something to look at",
            "kcp.cli.quickstart",
            flags=(
                *CONNECTION,
                Flag("scenario", "api-provider or workspaces", default="api-provider"),
                Flag("name-prefix", "What the names of all workspaces begin with", default="quickstart"),
                Flag("cleanup", "Delete what an earlier run created", default=False),
                Flag("enter", "Switch to what was created", default=False),
                Flag("with-samples", "Create sample objects as well", default=False),
                Flag("timeout", "How long everything may take", default="10m"),
                Flag("tree-depth", "Deepest level of the tree", default=3),
                Flag("tree-count", "How many workspaces the tree has", default=50),
                Flag("tree-seed", "Another number gives another tree", default=0),
            ),
        ),
    ),
)

STATUSES = (
    "0  everything that was asked for was done",
    "1  something was not: unreachable, not allowed, unknown, not writable; stderr has a line for each",
    "2  wrong usage",
)
CRD_PULLER = Command(
    "crd-puller",
    "Write CustomResourceDefinitions of what a Kubernetes API server has",
    "kcp.cli.crd_puller",
    "[<resource>[.<version>][.<group>]... | all]",
    999,
    (
        *CONNECTION,
        Flag("output", "Directory for a file per resource, or - for standard output", default=".", short="o"),
        Flag("resources", "Resources to pull, beside those that are named as words", default=(), short="r"),
        Flag("descriptions", "Keep the texts that kubectl explain shows", default=True),
    ),
    examples=(
        "crd-puller --kubeconfig kind.yaml -o crds all                  # all that is stored and not part of kcp",
        "crd-puller --kubeconfig kind.yaml -o - deployments.apps pods   # two resources as one stream",
        "crd-puller --context prod deploy ingresses.v1.networking.k8s.io",
        "crd-puller --descriptions=false -o - deployments.apps | kubectl apply -f -",
    ),
    statuses=STATUSES,
)
CRDS = Command(
    "crds",
    "Definitions of the kinds of Kubernetes that come with kcp",
    statuses=STATUSES,
    commands=(
        Command("list", "List the definitions that come with kcp", "kcp.cli.crds:show_list", statuses=STATUSES),
        Command(
            "show",
            "Print definitions as YAML",
            "kcp.cli.crds:show",
            "<name>...",
            999,
            examples=("kcp crds show deployments.apps pods.core",),
            statuses=STATUSES,
        ),
        Command(
            "install",
            "Create definitions in a workspace, or bring them up to date, and wait until they are served",
            "kcp.cli.crds:install",
            "<name>... | all",
            999,
            (*CONNECTION, WORKSPACE),
            examples=(
                "kcp crds install deployments.apps services.core   # in the current workspace",
                "kcp crds install -w root:org:team all",
            ),
            statuses=STATUSES,
        ),
    ),
)
COMPAT = Command(
    "compat",
    "Tell whether every object of one CustomResourceDefinition is one of another, and what both take",
    "kcp.cli.compat",
    "OLD NEW",
    99,
    (
        *(flag for flag in CONNECTION if flag.name not in {"kubeconfig", "namespace"}),
        WORKSPACE,
        Flag("lcd", "Print the least common denominator: the definition of the objects that both take", default=False),
        Flag("output", "Form of the report, text or json", default="text", short="o"),
        Flag("against", "Kubeconfig of a server whose stored objects are held against NEW; OLD may then be left out"),
    ),
    examples=(
        "compat crd-v1.yaml crd-v2.yaml                        # what differs, and an object that shows it",
        "compat --lcd east.yaml west.yaml > both.yaml          # what objects of both clusters have in common",
        "compat --against ~/.kube/config crd-v2.yaml           # which stored objects would break, by name",
        "git show HEAD:crd.yaml | compat - crd.yaml -o json    # for machines",
    ),
    statuses=(
        "0  compatible; with --lcd: there is a common denominator; no stored object breaks",
        "1  not compatible, or not decided, or stored objects would break",
        "2  wrong usage, a file that is no definition, a server that does not answer",
    ),
)
SYNCER = Command(
    "syncer",
    "Sync objects of a workspace to a physical cluster, and their status back",
    "kcp.cli.syncer",
    "[<resource>[.<group>]...]",
    999,
    (
        Flag("from-kubeconfig", "Kubeconfig of the kcp server (required)"),
        Flag("from-cluster", "Workspace whose objects are synced, path or name (required)"),
        Flag("to-kubeconfig", "Kubeconfig of the physical cluster; none: the cluster this runs in"),
        Flag("to-context", "Context of that kubeconfig; none: the current one"),
        Flag("cluster", "What objects for the physical cluster have in their label workload.kcp.io/cluster (required)"),
        Flag("dry-run", "Print what would be done first, and change nothing", default=False),
        Flag("metrics-bind-address", "Address for /healthz, /readyz and /metrics, as in 127.0.0.1:8080"),
    ),
    examples=(
        "syncer --from-kubeconfig admin.kubeconfig --from-cluster root:org --to-kubeconfig kind.yaml --cluster kind",
        "syncer ... --cluster kind deployments.apps services        # what else than deployments",
        "syncer ... --dry-run                                       # what a start would do",
    ),
    statuses=(
        "0  ended by a signal; with --dry-run: everything was looked at",
        "1  it cannot begin: a resource is unknown on a side, a server refuses or does not answer",
        "2  wrong usage",
    ),
)
CLUSTER_CONTROLLER = Command(
    "cluster-controller",
    "Look after the physical clusters that are registered in all workspaces",
    "kcp.cli.cluster_controller",
    flags=(
        Flag("kubeconfig", "Kubeconfig of the kcp server; its user is in system:masters (required)"),
        Flag("context", "Context of that kubeconfig; none: the current one"),
        Flag("resources-to-sync", "What is synced to physical clusters; none: deployments.apps", default=()),
        Flag("auto-publish-apis", "Serve at once what is negotiated anew", default=False),
        Flag("push-mode", "Sync from here where a registration says nothing of it", default=False),
        Flag("pull-mode", "Install a syncer where a registration says nothing of it", default=False),
        Flag("syncer-image", "Image of the syncer that is installed in pull mode"),
        Flag("upstream-url", "Address at which physical clusters reach kcp; none: that of the kubeconfig"),
        Flag("no-placement", "Leave it to people on which physical clusters namespaces are", default=False),
        Flag("lost-after", "Seconds after which what is on a cluster that is not ready moves", default=300),
    ),
    examples=(
        "cluster-controller --kubeconfig admin.kubeconfig --push-mode --resources-to-sync deployments.apps,services",
    ),
    statuses=("0  ended by a signal", "1  it cannot begin: the server refuses or does not answer", "2  wrong usage"),
)
