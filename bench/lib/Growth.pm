# SPDX-License-Identifier: Apache-2.0
#
# Does a pool's growth cost the same whatever the pool's size? The probe module
# (c-modules/poolprobe) makes one pool of the child grow by a node for each piece; the cost of a growth when
# the pool is new is compared with the cost at the end.
package Growth;
use strict;
use warnings;
use Instructions;

our $STEP = 200_000;    # nodes a request: the probe's limit

# { nodes => N, step => $STEP, figure => { plain => [first, last], on => [...] } }:
# user-space instructions of a growth, over the first and the last $STEP of N nodes.
sub measure {
    my (@variants) = @_;
    my ($free) = Server::read_file('/proc/meminfo') =~ /^MemAvailable:\s+(\d+)/m;
    my $steps = ($free || 0) > 14_000_000 ? 5 : 2;      # a node is two pages
    my $case = { mpm => 'prefork', client => 'ab', extra =>
        "LoadModule poolprobe_module \@WORK\@/mod_poolprobe.so\n<Location /probe>\nSetHandler poolprobe\n</Location>\n" };
    my $path = sub { "/probe?pool=child&grow=$_[0]&output=none" };
    my %figure;
    for my $variant ('plain', @variants) {
        for my $already (0, $steps - 1) {
            # The probe walks the ring before and after: two runs with the same beginning cancel that out.
            my $before = sub { $_[0]->get($path->($STEP)) for 1 .. $already; return };
            my ($one, $all) = map { Instructions::run($case, $variant, 1, path => $path->($_), before => $before) } 1, $STEP;
            push @{$figure{$variant}}, ($all - $one) / ($STEP - 1);
        }
    }
    return { nodes => $steps * $STEP, step => $STEP, figure => \%figure };
}

1;
