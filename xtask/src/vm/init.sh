#!/bin/busybox sh
# PID 1 of a lab guest: mounts, runs /lab/command, hands back its artifacts, reports, powers off.
# Serial lines: ttyS0 console, ttyS1 the command's stdout, ttyS2 its stderr, ttyS3 the report of
# this script.
/bin/busybox mkdir -p /proc /sys /dev /run /tmp /root /data /artifacts /sbin /usr/bin /usr/sbin /etc
/bin/busybox --install -s
export PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin HOME=/root TERM=dumb
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm
ln -s /proc/self/fd /dev/fd
for stream in 0:stdin 1:stdout 2:stderr; do
    ln -s "/proc/self/fd/${stream%:*}" "/dev/${stream#*:}"
done
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /run
mount -t tracefs tracefs /sys/kernel/tracing
mount -t debugfs debugfs /sys/kernel/debug
mount -t bpf bpf /sys/fs/bpf
mount -t cgroup2 cgroup2 /sys/fs/cgroup
ip link set lo up
hostname lab
for line in 1 2 3; do stty -F /dev/ttyS$line raw -echo; done
exec 3>/dev/ttyS3
echo up >&3
# Kernels without disks and file systems of their own: their modules, in order of their names.
for module in /lab/modules/early/*.ko; do
    [ -e "$module" ] || continue
    insmod "$module" || echo "note cannot load $module" >&3
done
# A driver that was just loaded finds its disks in its own time.
expected=$(sed 's/.*lab.disks=\([0-9]*\).*/\1/' /proc/cmdline)
for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    set -- /sys/block/nvme0n*
    [ -e "$1" ] && [ $# -ge "$expected" ] && break
    sleep 0.5
done
# The artifact disk is namespace 1, the scratch file system namespace 2. The kernel scans them at
# once and numbers their devices as they come, so the device's name does not tell which is which.
artifacts= data=
for disk in /sys/block/nvme0n*; do
    case $(cat "$disk/nsid" 2>/dev/null) in
    1) artifacts=/dev/${disk##*/} ;;
    2) data=/dev/${disk##*/} ;;
    esac
done
if [ -b "$data" ]; then
    mount -t ext4 "$data" /data || echo "note cannot mount /data" >&3
fi

# Pipes and not the terminals: the command must not take itself to be on one.
mkfifo /run/out /run/err
cat </run/out >/dev/ttyS1 3>&- &
out=$!
cat </run/err >/dev/ttyS2 3>&- &
err=$!
cd /root
setsid /lab/command </dev/null >/run/out 2>/run/err 3>&- &
wait $!
status=$?

# A process that the command left running holds the pipes open: end it, so that the last output
# has an end.
for dir in /proc/[0-9]*; do
    pid=${dir#/proc/}
    case $pid in 1 | "$out" | "$err") continue ;; esac
    readlink "$dir/exe" >/dev/null && kill -9 "$pid" 2>/dev/null
done
wait "$out" "$err"
complaints='BUG:|WARNING:|Oops|general protection|INFO: .*(stall|blocked for)|Out of memory'
dmesg | grep -E "$complaints" | sed 's/^/kernel /' >&3
if [ -b "$artifacts" ]; then
    tar -cf "$artifacts" -C /artifacts . || echo "note /artifacts do not fit on their disk" >&3
fi
cd /
umount /data 2>/dev/null
sync
echo "exit $status" >&3
exec 3>&-
poweroff -f
