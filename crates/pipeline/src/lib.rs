//! Host state to tunnel ports and flows of br-int and br-tun
