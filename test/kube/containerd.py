"""containerd as the machines of a cluster run it, and as the cache's template is made with it."""

SOCKET = "/run/containerd/containerd.sock"
CONFIG = "/etc/containerd/config.toml"
PAUSE = "weft.test/pause:1"
# What is big below /var/lib/containerd: archives' layers, and the layers unpacked.
CONTENT = "io.containerd.content.v1.content"
SNAPSHOTS = "io.containerd.snapshotter.v1.overlayfs/snapshots"
# Snapshotters that are not used, and one that would make directories in /opt.
DISABLED = ("snapshotter.v1.aufs", "snapshotter.v1.btrfs", "snapshotter.v1.devmapper",
            "snapshotter.v1.zfs", "internal.v1.opt")


def config():
    """restrict_oom_score_adj: a container may not ask for less than we have ourselves, where root
    lacks CAP_SYS_RESOURCE."""
    disabled = ", ".join(f'"io.containerd.{name}"' for name in DISABLED)
    cri = 'plugins."io.containerd.grpc.v1.cri"'
    return f"""version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = [{disabled}]
[grpc]
  address = "{SOCKET}"
[{cri}]
  sandbox_image = "{PAUSE}"
  restrict_oom_score_adj = true
[{cri}.cni]
  bin_dir = "/opt/cni/bin"
  conf_dir = "/etc/cni/net.d"
[{cri}.containerd]
  snapshotter = "overlayfs"
  default_runtime_name = "runc"
[{cri}.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[{cri}.containerd.runtimes.runc.options]
  SystemdCgroup = false
"""


def ctr(*argv):
    return ("ctr", "-a", SOCKET, "-n", "k8s.io", *argv)


def import_image(place, archive):
    place.run(*ctr("images", "import", "--snapshotter", "overlayfs", archive))
