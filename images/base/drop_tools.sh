#!/bin/sh
# For images that need a shell: takes away what installs packages, changes users, mounts, or mends disks. The last
# step of a build as root. The files stay in the layers below, where nothing that runs can reach them.
set -eu

rm -rf /usr/lib/apt /usr/lib/dpkg /usr/share/dpkg /usr/share/perl5 /var/lib/dpkg /var/lib/apt /var/cache/debconf \
    /etc/apt /etc/dpkg /usr/libexec/dpkg /usr/lib/*/perl*

for name in \
    'apt*' 'dpkg*' 'deb*' 'perl*' 'update-alternatives' 'start-stop-daemon' \
    su sudo login 'sulogin' runuser setpriv newgrp sg passwd 'chpasswd' 'chgpasswd' gpasswd chage chfn chsh expiry \
    'user*' 'group*' 'add*' 'del*' newusers 'pw*conv' 'grp*conv' pwck grpck vipw vigr cppw cpgr faillog lastlog \
    mount umount pivot_root switch_root chroot nsenter unshare swapon swapoff losetup findmnt mountpoint fstrim \
    'mkfs*' 'fsck*' 'mke2fs' 'e2*' 'e4*' tune2fs resize2fs dumpe2fs debugfs badblocks 'blk*' blockdev mkswap \
    hwclock ctrlaltdel killall5 'agetty' getty dmesg 'systemd*' systemctl service invoke-rc.d init telinit runlevel halt reboot \
    shutdown poweroff dmsetup dmstats sysctl update-passwd update-shells 'unix_*' 'pam*' openssl gpgv
do
    for folder in /usr/bin /usr/sbin /usr/local/bin /bin /sbin; do
        # shellcheck disable=SC2086 # a pattern
        rm -f $folder/$name
    done
done
find / -xdev -perm /6000 -exec chmod a-s {} +
